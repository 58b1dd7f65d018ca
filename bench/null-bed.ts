/** Banger's own cost, on the null bed: ms per `vm run`, at 1 and at 50 VMs, and what can be counted exactly. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { median } from "./pairs.ts";
import { banger, root } from "./world.ts";

export interface NullFigures {
  /** Median ms of `vm run --rm -- true`, with no other VM and with 50. */
  alone: number;
  among50: number;
  /** Methods called per `vm run --rm -- true`, in order. */
  calls: string[];
  rssMiB: number;
}

export async function nullBed(): Promise<NullFigures> {
  const dir = mkdtempSync(join(tmpdir(), "banger-null-"));
  const env = {
    ...{
      PATH: process.env.PATH ?? "",
      HOME: dir,
      LANG: "C.UTF-8",
      XDG_STATE_HOME: join(dir, "s"),
      XDG_RUNTIME_DIR: join(dir, "r"),
    },
    ...{ XDG_CONFIG_HOME: join(dir, "c"), XDG_CACHE_HOME: join(dir, "h") },
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
  try {
    for (let waited = 0; !existsSync(join(dir, "r/banger/bangerd.sock")) && waited < 500; waited += 1)
      await Bun.sleep(20);
    const run = (...args: string[]) => {
      const started = performance.now();
      const { status, stderr, stdout } = spawnSync(banger, args, { env, encoding: "utf8" });
      if (status !== 0) throw new Error(stderr);
      return { ms: performance.now() - started, stdout };
    };
    const series = () => median(Array.from({ length: 15 }, () => run("vm", "run", "--rm", "--", "true").ms));
    series();
    const alone = series();
    const before = readFileSync(join(dir, "s/banger/bangerd.log"), "utf8").length;
    run("vm", "run", "--rm", "--", "true");
    const lines = readFileSync(join(dir, "s/banger/bangerd.log"), "utf8").slice(before).trim().split("\n");
    const calls = lines
      .map((line) => JSON.parse(line) as { message: string; method?: string })
      .flatMap((line) => (line.message === "call" && line.method ? [line.method] : []));
    for (let index = 0; index < 50; index += 1)
      run("vm", "create", "--name", `vm-${index}`, "--disk-size", "64M");
    const among50 = series();
    const { rssBytes } = JSON.parse(run("daemon", "status", "--json").stdout) as { rssBytes: number };
    return { alone, among50, calls, rssMiB: rssBytes / 2 ** 20 };
  } finally {
    daemon.kill("SIGTERM");
    await new Promise((resolve) => daemon.once("close", resolve));
    rmSync(dir, { recursive: true, force: true });
  }
}
