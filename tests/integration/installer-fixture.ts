/**
 * Releases as they are published, by a key that was made for the test, on a loopback server; and people who install them,
 * each with a home, a temporary directory and a PATH of their own.
 */
import { expect } from "bun:test";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { openSite, type Site } from "./publish-fixture.ts";

const source = join(import.meta.dir, "../../scripts/install.sh");
const isRoot = process.getuid?.() === 0;

export interface Installed {
  status: number;
  out: string;
  err: string;
}

export interface Person {
  home: string;
  tmp: string;
  env: Record<string, string>;
  /** install.sh by a pipe, as who this is, without a terminal. `command` goes around it, or stands for it. */
  install(
    args: readonly string[],
    how?: { env?: Record<string, string>; around?: readonly string[] },
  ): Promise<Installed>;
  /** The same, not waited for; as a process of one's own, `pid` is bash. */
  start(args: readonly string[]): Bun.Subprocess<Blob, "pipe", "pipe">;
  /** Has this installed already, as ~/.local/bin/banger. */
  has(program: string): string;
  /** How the program that is installed there answers; undefined when there is none. */
  answer(): string | undefined;
  /** What is in the home and the temporary directory, of an installer's. */
  files(): string[];
  /** With what sudo and `banger system install` were called. */
  calls(): string[];
}

export interface Bed {
  dir: string;
  site: Site;
  script: string;
  /** Puts a release, and makes it the latest. */
  release(version: string, how?: Release): void;
  person(as?: "root" | "somebody"): Person;
  /** Signs it by the bed's key, or another's. */
  sign(path: string, key?: string): string;
  end(): void;
}

export interface Release {
  program?: string;
  /** Makes the tarball, from a directory with `banger` in it. */
  pack?: (dir: string, tarball: string) => void;
  /** Of the text before it is signed. */
  sums?: (text: string) => string;
}

/** Says its version, and writes down what else it is called with. */
export const standIn = (version: string) => `#!/bin/sh
if [ "$1" = --version ]; then echo "banger v${version} (commit 01234567, built 2026-11-20T10:00:00Z)"; exit; fi
echo "banger $*" >> "$CALLS"
exit "\${STATUS:-0}"
`;

const packed = (dir: string, tarball: string) => tar("-czf", tarball, "-C", dir, "banger");
export const tar = (...args: string[]) => execFileSync("tar", args, { stdio: "ignore" });

export async function openBed(): Promise<Bed> {
  const dir = mkdtempSync(join(tmpdir(), "banger-installer-"));
  // Of what is run as somebody else.
  chmodSync(dir, 0o755);
  const site = await openSite(join(dir, "site"));
  const [key, other] = ["key.pem", "other.pem"].map((name) => makeKey(join(dir, name)));
  const pem = execFileSync("openssl", ["ec", "-in", key ?? "", "-pubout"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const script = readFileSync(source, "utf8")
    .replace("@PUBLIC_KEY@", `${pem}`.trim())
    .replace("@BASE_URL@", site.url);
  writeFileSync(join(dir, "install.sh"), script);
  const releases: Record<string, object> = {};
  let people = 0;
  const bed: Bed = {
    ...{ dir, site, script },
    sign: (path, by = key ?? "") =>
      execFileSync("openssl", [
        "dgst",
        "-sha256",
        "-sign",
        by === "other" ? (other ?? "") : by,
        path,
      ]).toString("base64"),
    release: (version, { program = standIn(version), pack = packed, sums = (text: string) => text } = {}) => {
      const name = `${version}/banger-${version}-linux-amd64.tar.gz`;
      const [tarball, list] = [join(site.dir, name), join(site.dir, version, "SHA256SUMS")];
      mkdirSync(join(site.dir, version), { recursive: true });
      const from = join(dir, `program-${version}`);
      mkdirSync(from, { recursive: true });
      writeFileSync(join(from, "banger"), program, { mode: 0o755 });
      pack(from, tarball);
      const sum = createHash("sha256").update(readFileSync(tarball)).digest("hex");
      const text = `# banger ${version}\n# date 2026-11-20T10:00:00Z\n${sum}  ${name.split("/")[1]}\n`;
      writeFileSync(list, sums(text));
      writeFileSync(`${list}.sig`, `${bed.sign(list)}\n`);
      // One of them by its whole address.
      releases[version] = {
        tarball: name,
        sums: `${site.url}/${version}/SHA256SUMS`,
        sig: `${version}/SHA256SUMS.sig`,
      };
      const manifest = { schema_version: 1, latest_stable: version, releases };
      writeFileSync(join(site.dir, "manifest.json"), JSON.stringify(manifest, undefined, 2));
    },
    person: (as = "somebody") => makePerson(bed, join(dir, `person-${people++}`), as === "root"),
    end: () => {
      site.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return bed;
}

function makeKey(path: string): string {
  execFileSync("openssl", ["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", path]);
  return path;
}

/** Whoever runs the tests; root is somebody else for most of them. */
function makePerson(bed: Bed, dir: string, asRoot: boolean): Person {
  const [home, tmp, bin, calls] = ["home", "tmp", "bin", "calls"].map((name) => join(dir, name)) as [
    string,
    string,
    string,
    string,
  ];
  for (const each of [home, tmp, bin]) mkdirSync(each, { recursive: true });
  writeFileSync(calls, "");
  // It becomes nobody else: who calls it does not, either.
  writeFileSync(
    join(bin, "sudo"),
    `#!/bin/sh\necho "sudo $*" >> "$CALLS"\n[ "$1" != -n ] || shift\nexec "$@"\n`,
    { mode: 0o755 },
  );
  const other = isRoot && !asRoot;
  if (other) execFileSync("chown", ["-R", "nobody:nogroup", dir]);
  const who = other ? ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] : [];
  const env = {
    PATH: `${bin}:/usr/local/bin:/usr/bin:/bin:/usr/sbin`,
    HOME: home,
    TMPDIR: tmp,
    CALLS: calls,
  };
  const shown = (at: string) =>
    (readdirSync(at, { recursive: true }) as string[]).map((name) => join(at, name).slice(dir.length + 1));
  const person: Person = {
    ...{ home, tmp, env },
    start: (args) =>
      Bun.spawn([...who, "bash", "-s", "--", ...args], {
        cwd: dir,
        env,
        stdin: new Blob([bed.script]),
        stdout: "pipe",
        stderr: "pipe",
      }),
    install: async (args, { env: more = {}, around = [] } = {}) => {
      // A pipe of a shell's, which does not mind that it is not read to its end.
      const command = ["bash", "-c", 'file=$1; shift; cat "$file" | "$@"', "-", join(bed.dir, "install.sh")];
      const child = Bun.spawn(["setsid", "-w", ...around, ...who, ...command, "bash", "-s", "--", ...args], {
        ...{ cwd: dir, env: { ...env, ...more }, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
      });
      const [out, err] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      return { status: await child.exited, out, err };
    },
    has: (program) => {
      const path = join(home, ".local/bin/banger");
      mkdirSync(dirname(path), { recursive: true });
      rmSync(path, { force: true });
      writeFileSync(path, program, { mode: 0o755 });
      if (other) execFileSync("chown", ["-R", "nobody:nogroup", home]);
      return path;
    },
    answer: () => {
      const { stdout, success } = Bun.spawnSync(["sh", "-c", `exec "${home}/.local/bin/banger" --version`]);
      return success ? `${stdout}`.split(" ")[1] : undefined;
    },
    files: () => [...shown(home), ...shown(tmp)].sort(),
    calls: () =>
      readFileSync(calls, "utf8")
        .split("\n")
        .filter((line) => line !== ""),
  };
  return person;
}

/** A PATH with all that install.sh needs, but for these. */
export function pathWithout(dir: string, ...missing: string[]): string {
  const bin = join(dir, `without-${missing.join("-")}`);
  mkdirSync(bin);
  for (const from of ["/usr/bin", "/bin"])
    for (const name of readdirSync(from)) {
      if (missing.includes(name)) continue;
      try {
        symlinkSync(join(from, name), join(bin, name));
      } catch {
        // The other one has it, too.
      }
    }
  return bin;
}

/** What there is of an installer's, and what it has called. */
export function nothingOf(person: Person): { files: string[]; calls: string[] } {
  return { files: person.files(), calls: person.calls() };
}
export const nothing = { files: [], calls: [] };

/** The latest release is refused so, and nothing of it is left. */
export async function refused(bed: Bed, name: string, says: RegExp): Promise<void> {
  const person = bed.person();
  const { status, err } = await person.install(["--user", "--yes"]);
  expect({ status, err, ...nothingOf(person) }, name).toEqual({
    ...{ status: 1, err: expect.stringMatching(says), ...nothing },
  });
}

/** Byte by byte. */
export function change(path: string, how: (text: string) => string): void {
  writeFileSync(path, how(readFileSync(path, "latin1")), "latin1");
}

/** The script's own functions, of which `body` calls some in place of main. */
export function scriptCalling(body: string): string {
  const script = readFileSync(source, "utf8");
  const call = /^main "\$@".*\n$/m;
  expect(script).toMatch(call);
  return script.replace(call, () => `${body}\n}\n`);
}
