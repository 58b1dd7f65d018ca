/** What a build of an image leaves on the host when it is killed as root: nothing that is mounted. */
import { afterAll, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const dir = mkdtempSync(join(tmpdir(), "banger-build-killed-"));
afterAll(() => rmSync(dir, { recursive: true }));

test.skipIf(process.getuid?.() !== 0)("mounts of a build that is killed go with it", async () => {
  mkdirSync(join(dir, "bin"));
  mkdirSync(join(dir, "root"));
  // Mounts as mmdebstrap does, which would take a minute to come to it.
  writeFileSync(
    join(dir, "bin/mmdebstrap"),
    `#!/bin/sh\nmount -t proc proc root && ls root/self/status > mounted && echo $$ > pid.new && mv pid.new pid && exec sleep 600\n`,
  );
  chmodSync(join(dir, "bin/mmdebstrap"), 0o755);
  const module = join(import.meta.dir, "../../src/image/mmdebstrap.ts");
  const program = `
    import { runMmdebstrap } from ${JSON.stringify(module)};
    const options = { cwd: ${JSON.stringify(dir)}, signal: new AbortController().signal, onLine() {} };
    await runMmdebstrap("root", [], options);`;
  const build = Bun.spawn([process.execPath, "-e", program], {
    env: { ...process.env, PATH: `${dir}/bin:${process.env.PATH}` },
  });
  while (!existsSync(join(dir, "pid")) && build.exitCode === null) await Bun.sleep(10);
  const pid = Number(readFileSync(join(dir, "pid"), "utf8"));
  expect(pid).toBeGreaterThan(1);
  expect(readFileSync(join(dir, "mounted"), "utf8")).toBe("root/self/status\n");
  for (const each of [build.pid, pid]) process.kill(each, "SIGKILL");
  await build.exited;
  expect(readFileSync("/proc/self/mounts", "utf8")).not.toContain(dir);
  expect(existsSync(join(dir, "root/self"))).toBe(false);
});
