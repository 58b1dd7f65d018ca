/**
 * Real executables of several versions, compiled of this source, as they are released: by a key that was made for the test, on
 * a loopback server; and a user's installation of one of them.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compile } from "../../scripts/compile.ts";
import { archiveOf } from "../../scripts/release/archive.ts";
import { installerPath, installerText } from "../../scripts/release/installer.ts";
import { writeRelease } from "../../scripts/release/publication.ts";
import { releaseKey } from "../../scripts/release/signing.ts";
import { openSite, type Site } from "./publish-fixture.ts";

export interface Finished {
  status: number;
  out: string;
  err: string;
}

/** What is wrong with an executable, if anything: each is a file of the source in which something else stands. */
export type Fault = "none" | "daemon" | "doctor" | "crash" | "migration" | "migration and doctor";

const source = join(import.meta.dir, "../../src");
const commit = "0badcafe";

/** Compiled once for as long as the source stays what it is: 9 s each. */
export async function executable(version: string, fault: Fault = "none"): Promise<string> {
  const dir = join(kept, sourceDigest());
  const path = join(dir, `banger-${version}-${fault.replaceAll(" ", "-")}`);
  if (existsSync(path)) return path;
  for (const name of existsSync(kept) ? readdirSync(kept) : [])
    if (join(kept, name) !== dir) rmSync(join(kept, name), { recursive: true });
  mkdirSync(dir, { recursive: true });
  const aside = join(dir, `.${process.pid}`);
  const result = await compile({
    outfile: aside,
    build: { version, commit, builtAt: "2026-11-20T10:00:00Z" },
    plugins: [breaking(fault)],
  });
  if (!result.success) throw new Error(result.logs.join("\n"));
  renameSync(aside, path);
  return path;
}

const kept = join(import.meta.dir, "../../build/update-programs");

function sourceDigest(): string {
  const hash = createHash("sha256");
  const files = readdirSync(source, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  for (const path of [...files.map((entry) => join(entry.parentPath, entry.name)).sort(), import.meta.path])
    hash.update(path).update(readFileSync(path));
  return hash.digest("hex").slice(0, 12);
}

function breaking(fault: Fault): Bun.BunPlugin {
  const changed: Record<string, (text: string) => string> = {};
  if (fault === "daemon")
    changed["daemon/run.ts"] = (text) =>
      text.replace(
        "const parts = await composeDaemon(",
        'throw new (await import("../base/base.ts")).BangerError("host_missing", "the moon is not full"); const parts = await composeDaemon(',
      );
  if (fault.endsWith("doctor"))
    changed["doctor/checks.ts"] = (text) =>
      `${text}\nimport { defineCheck as define } from "./check.ts";\nimport { fail as failing } from "./verdict.ts";
(checks as unknown[]).unshift(define({ id: "moon", group: "machine", modes: ["user", "system"], symptoms: [], meaning: "m",
  cure: "c", dependsOn: [], needs: [], judge: () => failing("the moon is not full", ["wait"]) } as never));\n`;
  if (fault === "crash") changed["main.ts"] = (text) => `process.kill(process.pid, "SIGSEGV");\n${text}`;
  if (fault.startsWith("migration"))
    changed["state/migrations.ts"] = (text) =>
      text.replace(
        /\n\];\s*$/,
        '\n  { id: 99, name: "later", sql: "CREATE TABLE later (x TEXT) STRICT" },\n];\n',
      );
  return {
    name: "breaking",
    setup(build) {
      for (const [file, how] of Object.entries(changed)) {
        const path = join(source, file);
        build.onLoad({ filter: new RegExp(`^${path.replaceAll(".", "\\.")}$`) }, () => {
          const text = readFileSync(path, "utf8");
          const contents = how(text);
          if (contents === text) throw new Error(`${file} is not as the test thinks`);
          return { contents, loader: "ts" };
        });
      }
    },
  };
}

export interface UpdateBed {
  dir: string;
  site: Site;
  key: { private: string; public: string };
  /** Signed, and in the manifest. */
  release(version: string, program: string, date?: string): Promise<void>;
  end(): void;
}

/** `at`: where install.sh is told that the releases are; without it there is no real one. */
export async function updateBed(at?: URL): Promise<UpdateBed> {
  const dir = mkdtempSync(join(tmpdir(), "banger-up-"));
  chmodSync(dir, 0o755);
  const site = await openSite(join(dir, "site"));
  const key = { private: join(dir, "key.pem"), public: join(dir, "key.pub") };
  makeKey(key.private, key.public);
  const publicKey = readFileSync(key.public, "utf8");
  const released = releaseKey(publicKey, { key: key.private });
  const template = readFileSync(join(source, "..", installerPath), "utf8");
  const installer = at === undefined ? "#!/bin/bash\n" : installerText({ template, publicKey, baseUrl: at });
  return {
    ...{ dir, site, key },
    release: async (version, program, date = "2026-11-20T10:00:00Z") => {
      const files = new Map([[`banger-${version}-linux-amd64.tar.gz`, quickArchive(program)]]);
      const publication = { out: site.dir, version, date, baseUrl: undefined, files };
      await writeRelease({ ...publication, key: released, installer });
    },
    end: () => {
      site.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Packing takes 10 s at the level of releases. */
const archives = new Map<string, Buffer>();
function quickArchive(program: string): Buffer {
  const bytes = readFileSync(program);
  const sum = createHash("sha256").update(bytes).digest("hex");
  const made = archives.get(sum) ?? archiveOf(bytes, 1_790_000_000, 1);
  archives.set(sum, made);
  return made;
}

export function makeKey(path: string, publicPath: string): void {
  execFileSync("openssl", ["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", path]);
  execFileSync("openssl", ["ec", "-in", path, "-pubout", "-out", publicPath], { stdio: "ignore" });
}

/** Somebody who has installed a version with `install.sh --user`, with a daemon of their own. */
export class Person {
  readonly home: string;
  readonly link: string;
  readonly versions: string;
  readonly updates: string;
  readonly env: Record<string, string>;

  constructor(
    readonly bed: UpdateBed,
    name: string,
  ) {
    this.home = join(bed.dir, name);
    const local = join(this.home, ".local");
    this.link = join(local, "bin/banger");
    this.versions = join(local, "lib/banger/versions");
    this.updates = join(local, "lib/banger/updates");
    for (const path of [join(local, "bin"), this.versions, join(this.home, "run")])
      mkdirSync(path, { recursive: true, mode: 0o700 });
    this.env = {
      PATH: process.env.PATH ?? "/usr/bin:/bin",
      HOME: this.home,
      XDG_RUNTIME_DIR: join(this.home, "run"),
      XDG_STATE_HOME: join(this.home, "s"),
      XDG_CACHE_HOME: join(this.home, "c"),
      XDG_CONFIG_HOME: join(this.home, "e"),
      TMPDIR: bed.dir,
    };
  }

  install(version: string, program: string): void {
    const dir = join(this.versions, `${version}-${commit}`);
    mkdirSync(dir, { recursive: true });
    // Nobody writes into it: what is made of it is another file.
    linkSync(program, join(dir, "banger"));
    rmSync(this.link, { force: true });
    symlinkSync(join(dir, "banger"), this.link);
  }

  /** Of one version, by its name in `versions`; undefined: what the link leads to. */
  async run(words: readonly string[], around: readonly string[] = [], version?: string): Promise<Finished> {
    const program = version === undefined ? this.link : join(this.versions, version, "banger");
    const child = Bun.spawn([...around, program, ...words], {
      ...{ cwd: this.home, env: this.env, stdin: "ignore", stdout: "pipe", stderr: "pipe" },
    });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    return { status: await child.exited, out, err };
  }

  update(words: readonly string[] = [], around: readonly string[] = []): Promise<Finished> {
    return this.run(this.updating(words), around);
  }

  updating(words: readonly string[] = []): string[] {
    const manifest = `${this.bed.site.url}/manifest.json`;
    return ["update", "--manifest-url", manifest, "--pubkey-file", this.bed.key.public, ...words];
  }

  /** As the program itself says. */
  version(): string | undefined {
    const { stdout, success } = Bun.spawnSync([this.link, "--version"], { env: this.env });
    return success ? `${stdout}`.split(" ")[1] : undefined;
  }

  /** The daemon's; undefined when none runs. */
  async daemon(): Promise<{ version: string; pid: number } | undefined> {
    const { status, out } = await this.run(["daemon", "status", "--json"]);
    return status === 0 ? JSON.parse(out) : undefined;
  }

  async stopDaemon(): Promise<void> {
    await this.run(["daemon", "stop"]);
  }

  /** Every process of this person's installation. */
  killAll(): void {
    for (const pid of readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))) {
      try {
        if (readlinkSync(`/proc/${pid}/exe`).startsWith(this.home)) process.kill(Number(pid), "SIGKILL");
      } catch {
        // It has gone, or is none of ours.
      }
    }
  }

  async end(): Promise<void> {
    await this.stopDaemon();
    this.killAll();
    rmSync(this.home, { recursive: true, force: true });
  }

  /** What an update has to do with: versions, and what is kept of updates; but for what was seen, and the lock. */
  left(): string[] {
    const kept = existsSync(this.updates) ? readdirSync(this.updates) : [];
    const bin = readdirSync(join(this.link, ".."));
    return [
      ...readdirSync(this.versions),
      ...kept.filter((name) => !["lock", "seen.json"].includes(name)).map((name) => `updates/${name}`),
      ...bin.filter((name) => name !== "banger").map((name) => `bin/${name}`),
    ].sort();
  }

  target(): string {
    return readlinkSync(this.link);
  }
}

/** With what the test has done to what the site serves. */
export function edit(path: string, how: (text: string) => string): void {
  writeFileSync(path, how(readFileSync(path, "latin1")), "latin1");
}
