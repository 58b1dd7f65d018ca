/**
 * `npm run bench:first-output`: from Enter to the first byte that a command in a VM has read from a repository of this
 * host: cold, warm, and by Lima where it runs (VM_BENCH_LIMA=template://... or a file names another of its templates).
 */
import { spawn, spawnSync } from "node:child_process";
import { cpus, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { banger } from "./built.ts";
import { median } from "./pairs.ts";
import { repository } from "./workspace.ts";
import { cleanUp, deleteAll, oneWaits, scratch, spares, time, timeToOutput, warmUp } from "./world.ts";

const rounds = 5;
const size = ["--vcpu", "2", "--memory", "1G"];
const rows: string[] = [];

async function measure(what: string, run: () => Promise<number>, times = rounds): Promise<void> {
  // Once for what is made only once.
  await run();
  const seconds: number[] = [];
  for (let round = 0; round < times; round += 1) seconds.push((await run()) / 1000);
  const [least, most] = [Math.min(...seconds), Math.max(...seconds)];
  rows.push(
    `| ${what} | ${median(seconds).toFixed(2)} s | ${least.toFixed(2)} to ${most.toFixed(2)} s | ${times} |`,
  );
  process.stderr.write(`${rows.at(-1)}\n`);
}

/** Lima mounts the directory instead of copying it; the first round fetches its image. Arguments that 1.x and 2.x know. */
async function lima(repo: string): Promise<number> {
  const name = "banger-bench";
  const template = process.env.VM_BENCH_LIMA ?? "template://debian-12";
  const limactl = (...args: string[]) => {
    const { status, stderr } = spawnSync("limactl", ["--tty=false", ...args], { encoding: "utf8" });
    if (status !== 0) throw new Error(`limactl ${args.join(" ")}: ${stderr}`);
  };
  // A run that was cut off leaves its instance.
  limactl("delete", "--force", name);
  const started = performance.now();
  try {
    // --mount-only is 2.x's alone. Without containerd, which it would unpack in each new instance.
    const mounts = `--set=.mounts = [{"location": ${JSON.stringify(repo)}}]`;
    limactl("start", `--name=${name}`, "--cpus=2", "--memory=1", "--containerd=none", mounts, template);
    const child = spawn("limactl", ["shell", name, "ls", repo], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve, reject) => {
      child.stdout.once("data", resolve);
      child.once("close", (status) => reject(new Error(`limactl shell ended with ${status} and no output`)));
    });
    return performance.now() - started;
  } finally {
    limactl("delete", "--force", name);
  }
}

/** Lima's row, or why there is none: the others have taken minutes, and are printed without it. */
async function measureLima(repo: string): Promise<void> {
  const none = (why: string) => process.stderr.write(`no row for Lima: ${why}\n`);
  if (Bun.which("limactl") === null) return void none("limactl is not installed");
  if (process.getuid?.() === 0) return void none("it refuses to run as root");
  try {
    await measure("Lima, new instance: 5,000 files, 50 MB", () => lima(repo), 1);
  } catch (error) {
    none(error instanceof Error ? error.message : String(error));
  }
}

try {
  const small = join(scratch, "small");
  const git = "git -c user.name=b -c user.email=b@b";
  spawnSync("sh", [
    "-c",
    `mkdir "$1" && cd "$1" && git init -q && echo x > file && git add . && ${git} commit -qm b`,
    "sh",
    small,
  ]);
  const large = repository();
  await time(["image", "pull", "debian-bookworm"]);
  // A run that was cut off leaves its VMs.
  deleteAll();
  const first = (repo: string, ...more: string[]) =>
    timeToOutput(["vm", "run", "--rm", ...more, ...size, repo, "--", "ls"]);
  await measure("banger, cold: one file", () => first(small, "--cold"));
  await measure("banger, cold: 5,000 files, 50 MB", () => first(large, "--cold"));
  spares(false);
  await warmUp(size);
  await measure("banger, warm, right after another: one file", () => first(small));
  await measure("banger, warm, right after another: 5,000 files, 50 MB", () => first(large));
  spares(true);
  for (const [what, repo] of [
    ["one file", small],
    ["5,000 files, 50 MB", large],
  ] as const) {
    await measure(`banger, warm: ${what}`, async () => {
      const ms = await first(repo);
      await oneWaits();
      return ms;
    });
  }
  await measureLima(large);
} finally {
  cleanUp();
}
const [cpu] = cpus();
const version = spawnSync(banger, ["--version"], { encoding: "utf8" }).stdout.trim();
process.stdout.write(
  "| repository on disk to first output | median | least to most | runs |\n|---|---|---|---|\n",
);
process.stdout.write(
  `${rows.join("\n")}\n\n${version}; ${cpus().length} x ${cpu?.model}, ${Math.round(totalmem() / 2 ** 30)} GiB; load average ${median(loadavg()).toFixed(1)}; ${new Date().toISOString().slice(0, 10)}.\n`,
);
