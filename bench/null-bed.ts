/** Banger's own cost, on the null bed: ms per `vm run`, at 1 and at 50 VMs, and what can be counted exactly. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { banger, root } from "./built.ts";
import { median } from "./pairs.ts";

export interface NullFigures {
  /** Median ms of `vm run --rm -- true`, with no other VM and with 50. */
  alone: number;
  among50: number;
  /** Methods called per `vm run --rm -- true`, in order. */
  calls: string[];
  rssMiB: number;
}

/** A daemon with the null driver, in directories of its own. */
export interface NullBed {
  env: Record<string, string>;
  daemon: ChildProcess;
  /** The daemon's log so far. */
  log(): string;
  close(): Promise<void>;
}

export async function startNullBed(): Promise<NullBed> {
  const dir = mkdtempSync(join(tmpdir(), "banger-null-"));
  const env = {
    PATH: process.env.PATH ?? "",
    HOME: dir,
    LANG: "C.UTF-8",
    XDG_STATE_HOME: join(dir, "s"),
    XDG_RUNTIME_DIR: join(dir, "r"),
    XDG_CONFIG_HOME: join(dir, "c"),
    XDG_CACHE_HOME: join(dir, "h"),
  };
  // The CLI replaces a daemon of another build: this one says that it is of the same.
  const [, version, commit] =
    /v(\S+) \(commit ([^,]+),/.exec(spawnSync(banger, ["--version"], { encoding: "utf8" }).stdout) ?? [];
  const defines = ["--define", `BANGER_VERSION="${version}"`, "--define", `BANGER_COMMIT="${commit}"`];
  const daemon = spawn(process.execPath, [...defines, join(root, "bench/null-daemon.ts")], {
    env,
    stdio: "inherit",
    cwd: dir,
  });
  for (let waited = 0; !existsSync(join(dir, "r/banger/bangerd.sock")) && waited < 500; waited += 1)
    await Bun.sleep(20);
  return {
    env,
    daemon,
    log: () => readFileSync(join(dir, "s/banger/bangerd.log"), "utf8"),
    close: async () => {
      daemon.kill("SIGTERM");
      if (daemon.exitCode === null) await new Promise((resolve) => daemon.once("close", resolve));
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The methods that a piece of the daemon's log says were called, in order. */
export function methodsCalled(log: string): string[] {
  return log
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { message: string; method?: string })
    .flatMap((line) => (line.message === "call" && line.method ? [line.method] : []));
}

export async function nullBed(): Promise<NullFigures> {
  const bed = await startNullBed();
  try {
    const run = (...args: string[]) => {
      const started = performance.now();
      const { status, stderr, stdout } = spawnSync(banger, args, { env: bed.env, encoding: "utf8" });
      if (status !== 0) throw new Error(stderr);
      return { ms: performance.now() - started, stdout };
    };
    const series = () => median(Array.from({ length: 15 }, () => run("vm", "run", "--rm", "--", "true").ms));
    series();
    const alone = series();
    const before = bed.log().length;
    run("vm", "run", "--rm", "--", "true");
    const calls = methodsCalled(bed.log().slice(before));
    for (let index = 0; index < 50; index += 1)
      run("vm", "create", "--name", `vm-${index}`, "--disk-size", "64M");
    const among50 = series();
    const { rssBytes } = JSON.parse(run("daemon", "status", "--json").stdout) as { rssBytes: number };
    return { alone, among50, calls, rssMiB: rssBytes / 2 ** 20 };
  } finally {
    await bed.close();
  }
}
