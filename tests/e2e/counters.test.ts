/** What banger itself costs per VM, counted: processes, syncs to the disk, calls. More than this is a regression. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { methodsCalled, type NullBed, startNullBed } from "../../bench/null-bed.ts";
import { Banger, eventually, executable } from "./fixture.ts";

let bed: NullBed;
const dir = mkdtempSync(join(tmpdir(), "banger-counters-"));
const traced = "execve,fsync,fdatasync,sync_file_range,syncfs,msync";

beforeAll(async () => {
  bed = await startNullBed();
  // The first run makes the template of its disk, and whatever else is made once.
  run("vm", "run", "--rm", "--", "true");
});
afterAll(async () => {
  await bed.close();
  rmSync(dir, { recursive: true, force: true });
});

function run(...args: string[]): void {
  const { status, stderr } = spawnSync(executable, args, { env: bed.env, encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

interface Cost {
  calls: string[];
  /** Programs started, the command line's own not among them, and syncs to the disk; daemon and command line. */
  spawned: number;
  syncs: number;
}

/** Runs one command with the daemon and the command line under strace. */
async function cost(...args: string[]): Promise<Cost> {
  const trace = (name: string) => join(dir, name);
  const daemon = spawn("strace", [
    "-f",
    "-e",
    `trace=${traced}`,
    "-o",
    trace("daemon"),
    "-p",
    String(bed.daemon.pid),
  ]);
  let said = "";
  daemon.stderr.on("data", (chunk) => {
    said += chunk;
  });
  await eventually("strace has attached", 20_000, async () => said.includes("attached"));
  const before = bed.log().length;
  const words = ["-f", "-e", `trace=${traced}`, "-o", trace("cli"), executable, ...args];
  const { status, stderr } = spawnSync("strace", words, { env: bed.env, encoding: "utf8" });
  const calls = methodsCalled(bed.log().slice(before));
  // Answered when what goes on after the command has been done, which counts too.
  run("vm", "list");
  daemon.kill("SIGINT");
  await new Promise((resolve) => daemon.once("close", resolve));
  expect([status, stderr.includes("banger:")]).toEqual([0, false]);
  const lines = ["daemon", "cli"].flatMap((name) => readFileSync(trace(name), "utf8").split("\n"));
  return {
    calls,
    spawned: lines.filter((line) => line.includes("execve(")).length - 1,
    syncs: lines.filter((line) => /^\d+ +(fsync|fdatasync|sync_file_range|syncfs|msync)\(/.test(line)).length,
  };
}

test("vm run --rm -- true", async () => {
  expect(await cost("vm", "run", "--rm", "--", "true")).toEqual({
    calls: ["ping", "config.defaults", "vm.create", "guest.exec", "vm.delete"],
    spawned: 0,
    syncs: 0,
  });
});

test("vm create, which must outlive a power cut", async () => {
  const { calls, spawned, syncs } = await cost("vm", "create", "--name", "kept");
  expect({ calls, spawned, syncs }).toEqual({
    calls: ["ping", "config.defaults", "vm.create"],
    spawned: 0,
    // Root disk, work disk, row.
    syncs: 3,
  });
});

test("a daemon at rest sleeps, and takes less than 80 MiB", async () => {
  const banger = new Banger();
  try {
    await banger.vms();
    const pid = await banger.daemonPid();
    await eventually("two seconds pass without anything being woken", 60_000, async () => {
      const before = switches(pid);
      await Bun.sleep(2000);
      return switches(pid) === before;
    });
    const rss = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    expect(Number(rss) / 1024).toBeWithin(10, 80);
  } finally {
    await banger.close();
  }
});

/** How often a thread of the process has gone to sleep: it must have been woken in between. */
function switches(pid: number): number {
  const statuses = [...new Bun.Glob("*/status").scanSync({ cwd: `/proc/${pid}/task` })];
  return statuses.reduce((sum, status) => {
    const text = readFileSync(join(`/proc/${pid}/task`, status), "utf8");
    return sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(text)?.[1]);
  }, 0);
}
