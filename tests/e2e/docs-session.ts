/** Somebody who goes through pages of the documentation, with a home of their own, on QEMU. */
import { afterAll, beforeAll, describe } from "bun:test";
import { appendFileSync, chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { type Finished, type Shell, testPage } from "../docs/run-page.ts";
import { Banger, executable } from "./fixture.ts";

const Named = z.array(z.object({ name: z.string() }));
const Kept = z.object({ path: z.string() });

/** Declares the tests of `pages`. `prepare` puts into the directory of a page what its reader has. */
export function testPages(
  pages: readonly string[],
  prepare: Readonly<Record<string, (dir: string) => void>> = {},
): void {
  const banger = new Banger();
  const there: Record<string, string[]> = {};
  const names = async (kind: string) =>
    Named.parse(JSON.parse(await banger.ok([kind, "list", "--json"]))).map(({ name }) => name);

  beforeAll(async () => {
    furnish(banger);
    await banger.image();
    for (const kind of ["image", "kernel"]) there[kind] = await names(kind);
    const { path } = Kept.parse(JSON.parse(await banger.ok(["kernel", "show", "debian-cloud-6.1"])));
    banger.env.KERNEL = join(path, "vmlinux");
  }, 900_000);
  afterAll(() => banger.close(), 300_000);

  for (const page of pages)
    describe(page, () => {
      const dir = join(banger.dir, basename(page, ".md"));
      beforeAll(() => {
        mkdirSync(dir);
        prepare[page]?.(dir);
      });
      testPage(page, ["run", "interrupt"], shellIn(banger, dir));
      // The store is other tests', too.
      afterAll(async () => {
        const vms = await names("vm");
        if (vms.length > 0) await banger.ok(["vm", "delete", ...vms]);
        for (const [kind, word] of Object.entries({ image: "delete", kernel: "rm" }))
          for (const name of await names(kind))
            if (there[kind]?.includes(name) === false) await banger.ok([kind, word, name]);
      }, 300_000);
    });
}

/** What a reader's home has before the first page. */
function furnish({ dir }: Banger): void {
  const bin = join(dir, "bin");
  mkdirSync(bin);
  symlinkSync(executable, join(bin, "banger"));
  // OpenSSH looks into the home that passwd names, and this one is only the environment's.
  writeFileSync(join(bin, "ssh"), `#!/bin/sh\nexec ${Bun.which("ssh")} -F "$HOME/.ssh/config" "$@"\n`);
  chmodSync(join(bin, "ssh"), 0o755);
  mkdirSync(join(dir, ".ssh"), { mode: 0o700 });
  writeFileSync(join(dir, ".ssh/config"), "");
  writeFileSync(join(dir, ".gitconfig"), "[user]\nname = Reader\nemail = reader@example.com\n");
  // Emulated guests are slow enough at the size that the smallest of machines gives them.
  const sizes = '[vm_defaults]\nvcpu = 2\nmemory_mib = 512\ndisk_size = "1G"\n';
  appendFileSync(join(dir, "config/banger/config.toml"), sizes);
}

function shellIn(banger: Banger, dir: string): Shell {
  const place = join(banger.dir, "where");
  const env = () => ({ ...banger.env, PATH: `${join(banger.dir, "bin")}:${banger.env.PATH}` });
  writeFileSync(place, dir);
  let began = false;
  const start = (command: string) => {
    const cwd = began ? readFileSync(place, "utf8") : dir;
    began = true;
    return [`trap 'pwd > ${place}' EXIT\n${command}`, cwd.trim()] as const;
  };
  return {
    run: async (script): Promise<Finished> => {
      const [line, cwd] = start(script);
      const child = Bun.spawn(["bash", "-c", line], {
        ...{ cwd, env: env(), stdin: "ignore", stdout: "pipe", stderr: "pipe", timeout: 900_000 },
      });
      const [stdout, stderr] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      return { status: await child.exited, stdout, stderr };
    },
    interrupt: async (command, until): Promise<Finished> => {
      let screen = "";
      let typed = false;
      const child = Bun.spawn(["bash", "-c", command], {
        ...{ cwd: readFileSync(place, "utf8").trim(), env: env(), timeout: 300_000 },
        terminal: {
          ...{ cols: 120, rows: 50 },
          data: (terminal, bytes: Uint8Array) => {
            screen += Buffer.from(bytes).toString();
            if (typed || !until.test(screen)) return;
            typed = true;
            terminal.write("\x03");
          },
        },
      });
      return { status: await child.exited, stdout: screen, stderr: "" };
    },
  };
}
