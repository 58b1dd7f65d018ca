/**
 * The real executable, a real daemon, real VMs, in directories of the tests' own. Images are kept in build/e2e, because
 * building one takes minutes; everything else is removed.
 */
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const root = join(import.meta.dir, "../..");
/** Where templates are. */
export const templates = join(root, "build/e2e/banger/templates");
/** Where checkpoints are. */
export const checkpoints = join(root, "build/e2e/banger/checkpoints");
export const executable = join(root, "dist/banger");
const kept = join(root, "build/e2e");
/** What set-up has brought of what goes into images. */
export const downloads = join(root, "build/downloads");

export interface Finished {
  status: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  cwd?: string;
  input?: string | Uint8Array;
  env?: Record<string, string>;
  timeoutMs?: number;
}

export class Banger {
  readonly dir = mkdtempSync(join(tmpdir(), "banger-e2e-"));
  readonly env: Record<string, string>;

  /** Without `warm` nothing is made in the background, and every start is a boot; without `spare` no guest waits. */
  constructor({ warm = false, spare = false } = {}) {
    mkdirSync(kept, { recursive: true });
    mkdirSync(join(this.dir, "config/banger"), { recursive: true });
    for (const dir of [downloads, join(this.dir, "cache/banger")]) mkdirSync(dir, { recursive: true });
    symlinkSync(downloads, join(this.dir, "cache/banger/downloads"));
    const mode = warm ? "auto" : "off";
    writeFileSync(
      join(this.dir, "config/banger/config.toml"),
      `[warm]\nmode = "${mode}"\nspare = ${spare}\n`,
    );
    this.env = {
      PATH: process.env.PATH ?? "",
      HOME: this.dir,
      LANG: "C.UTF-8",
      XDG_STATE_HOME: kept,
      XDG_RUNTIME_DIR: join(this.dir, "run"),
      XDG_CONFIG_HOME: join(this.dir, "config"),
      XDG_CACHE_HOME: join(this.dir, "cache"),
    };
  }

  start(args: readonly string[], options: RunOptions = {}) {
    return spawn(executable, args, {
      cwd: options.cwd ?? this.dir,
      env: { ...this.env, ...options.env },
      stdio: "pipe",
    });
  }

  /** Runs banger to its end, or kills it after the limit. */
  async run(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    const child = this.start(args, options);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
    const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 180_000);
    const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
    clearTimeout(timer);
    return { status, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
  }

  /** Like run, but a status other than 0 fails the test with what was said. */
  async ok(args: readonly string[], options: RunOptions = {}): Promise<string> {
    const { status, stdout, stderr } = await this.run(args, options);
    if (status !== 0) throw new Error(`banger ${args.join(" ")} ended with ${status}: ${stderr}`);
    return stdout;
  }

  async vms(): Promise<
    { id: string; name: string; state: string; pid: number | null; lastError: string | null }[]
  > {
    return JSON.parse(await this.ok(["vm", "list", "--json"]));
  }

  async daemonPid(): Promise<number> {
    return JSON.parse(await this.ok(["daemon", "status", "--json"])).pid;
  }

  /** The image, built if this is the first run on this machine. */
  async image(): Promise<void> {
    await this.ok(["image", "pull", "debian-bookworm"], { timeoutMs: 900_000 });
  }

  /** Everything of VMs that is on this host: processes, directories. Empty when nothing was left. */
  leftovers(): string[] {
    const left: string[] = [];
    for (const dir of [join(kept, "banger/vms"), join(this.dir, "run/banger/vms")]) {
      if (existsSync(dir)) left.push(...readdirNames(dir).map((name) => join(dir, name)));
    }
    return [...left, ...processesNaming(this.dir)];
  }

  /** Deletes all VMs, ends the daemon, removes the directories. */
  async close(): Promise<void> {
    const names = (await this.vms()).map((vm) => vm.name);
    if (names.length > 0) await this.run(["vm", "delete", ...names]);
    await this.ok(["daemon", "stop"]);
    rmSync(this.dir, { recursive: true, force: true });
  }
}

function readdirNames(path: string): string[] {
  return [...new Bun.Glob("*").scanSync({ cwd: path, onlyFiles: false, dot: true })];
}

/** Command lines of processes that mention `text`: QEMU names its sockets there. */
export function processesNaming(text: string): string[] {
  const found: string[] = [];
  for (const pid of new Bun.Glob("[0-9]*").scanSync({ cwd: "/proc", onlyFiles: false })) {
    try {
      const line = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
      if (line.includes(text) && Number(pid) !== process.pid) found.push(`${pid} ${line.slice(0, 200)}`);
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

/** Waits for something that no event tells of, looking often; throws after the limit. */
export async function eventually(
  what: string,
  limitMs: number,
  holds: () => Promise<boolean> | boolean,
): Promise<void> {
  const until = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > until) throw new Error(`${what}: not within ${limitMs} ms`);
    await Bun.sleep(100);
  }
}
