/** Runs in the emulated host, as root: one measurement, named by the first argument; prints its result as JSON. */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { connect } from "node:net";
import { comparePairs, median, type PairResult } from "../pairs.ts";
import { type MachineByHand, type StartedByHand, sh, startByHand, stockCmdline } from "./by-hand.ts";

// It is what makes banger run this very file, and would make Bun of every banger that is started here.
delete process.env.BUN_BE_BUN;

const banger = "/usr/local/bin/banger";
const env = { PATH: process.env.PATH ?? "", HOME: "/root", LANG: "C.UTF-8" };
const smallest = { vcpu: 1, memoryMiB: 128 };
const tiny = { ...smallest, rootfs: "tiny" };
const small = ["--image", "tiny", "--memory", "128M", "--vcpu", "1", "--disk-size", "64M"];
const usual = ["--memory", "512M", "--vcpu", "1"];
const stockGuest = { vcpu: 1, memoryMiB: 512, rootfs: "/srv/stock.ext4", cmdline: stockCmdline };
const templates = "/var/lib/banger/templates";

function run(args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(banger, args, { env, encoding: "utf8" });
  if (status !== 0) throw new Error(`banger ${args.join(" ")}: ${stderr}`);
  return stdout;
}

async function timed(args: readonly string[]): Promise<number> {
  const started = performance.now();
  run(args);
  const took = performance.now() - started;
  settle(args);
  return took;
}

/** What `--rm` leaves to the daemon must not fall into what is measured next: this command waits for it. */
function settle(args: readonly string[]): void {
  if (args.includes("--rm")) run(["vm", "list"]);
}

function firstOutput(args: readonly string[]): Promise<number> {
  const started = performance.now();
  return new Promise((resolve, reject) => {
    let first: number | undefined;
    const child = spawn(banger, args, { env, stdio: ["ignore", "pipe", "ignore"] });
    child.stdout.once("data", () => {
      first = performance.now() - started;
    });
    child.on("close", (status) => {
      settle(args);
      if (status === 0 && first !== undefined) resolve(first);
      else reject(new Error(`ended with ${status}`));
    });
  });
}

async function byHand(
  asked: MachineByHand,
  until: (machine: StartedByHand) => Promise<void>,
): Promise<number> {
  const machine = await startByHand(asked);
  try {
    await until(machine);
    return machine.since();
  } finally {
    await machine.end();
  }
}

async function echo(machine: StartedByHand): Promise<void> {
  const session = await machine.agent();
  const child = await session.exec({ argv: ["echo", "x"] });
  child.stdin.end();
  await new Promise((resolve) => child.stdout.once("data", resolve));
}

/** The whole of what `vm run` does in a guest. */
async function runTrue(machine: StartedByHand): Promise<void> {
  const session = await machine.agent();
  const child = await session.exec({ argv: ["true"] });
  child.stdin.end();
  child.stdout.resume();
  child.stderr.resume();
  await child.exit;
}

/** The template that the runner has had made. */
function template(): string {
  const [key] = readdirSync(templates).filter((name) => /^[0-9a-f]{32}$/.test(name));
  if (key === undefined) throw new Error(`no template in ${templates}`);
  return `${templates}/${key}`;
}

/** A VM that boots after all is no figure. */
async function warmRun(): Promise<number> {
  const started = performance.now();
  const args = ["vm", "run", "--rm", ...usual, "--", "true"];
  const { status, stderr } = spawnSync(banger, args, { env, encoding: "utf8" });
  const took = performance.now() - started;
  if (status !== 0 || !stderr.includes("(warm)")) throw new Error(`it did not go on: ${stderr}`);
  settle(args);
  return took;
}

/** A guest waits to be the next VM; until one does, something is being made for that. */
async function untilOneWaits(): Promise<void> {
  const listed = () => JSON.parse(run(["template", "list", "--json"])) as { waiting: boolean }[];
  // Each look takes half a second of an emulated processor.
  while (!listed().some(({ waiting }) => waiting)) await Bun.sleep(5_000);
}

/** MiB of a clone that has run a command and is idle, and of a VM that has booted; the tenth of ten, and one. */
async function clones(): Promise<{ tenth: number; cold: number }> {
  const make = (name: string, ...more: string[]) => {
    run(["vm", "create", "--name", name, ...more, ...usual]);
    run(["vm", "exec", name, "--", "true"]);
  };
  const pss = (name: string) =>
    pssKiB((JSON.parse(run(["vm", "show", "--json", name])) as { pid: number }).pid) / 1024;
  const names = Array.from({ length: 10 }, (_, index) => `clone-${index}`);
  for (const name of names) make(name);
  const tenth = pss(names.at(-1) ?? "");
  run(["vm", "delete", ...names]);
  make("booted", "--cold");
  const cold = pss("booted");
  run(["vm", "delete", "booted"]);
  return { tenth, cold };
}

/** Something that speaks ssh answers in the guest. */
async function sshBanner(): Promise<void> {
  const heard = () =>
    new Promise<boolean>((resolve) => {
      const socket = connect(22, "172.31.0.2");
      const finish = (yes: boolean) => {
        socket.destroy();
        resolve(yes);
      };
      socket.setTimeout(2000, () => finish(false));
      socket.once("data", (bytes) => finish(bytes.toString().startsWith("SSH-")));
      socket.once("error", () => finish(false));
    });
  while (!(await heard())) await Bun.sleep(20);
}

/** KiB of a process that are its own, and its part of what it shares. */
function pssKiB(pid: number): number {
  return Number(/^Pss: +(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"))?.[1]);
}

const idleMs = 10_000;

async function idlePss(): Promise<{ byHand: number; banger: number; helper: number; daemon: number }> {
  const mine = await startByHand(tiny);
  let byHandKiB: number;
  try {
    await echo(mine);
    await Bun.sleep(idleMs);
    byHandKiB = pssKiB(mine.pid);
  } finally {
    await mine.end();
  }
  run(["vm", "create", "--name", "idle", ...small]);
  run(["vm", "exec", "idle", "--", "echo", "x"]);
  await Bun.sleep(idleMs);
  const { pid } = JSON.parse(run(["vm", "show", "--json", "idle"])) as { pid: number };
  const bangerKiB = pssKiB(pid);
  run(["vm", "delete", "idle"]);
  await Bun.sleep(idleMs);
  const service = (unit: string) => pssKiB(Number(sh(`systemctl show -P MainPID ${unit}`)));
  return {
    ...{ byHand: byHandKiB, banger: bangerKiB },
    ...{ helper: service("bangerd-root"), daemon: service("bangerd") },
  };
}

/** The times of ten VMs' creations, one after the other, each beside those before it. */
async function ten(): Promise<number[]> {
  const names = Array.from({ length: 10 }, (_, index) => `ten-${index}`);
  const times: number[] = [];
  for (const name of names) times.push(await timed(["vm", "create", "--name", name, ...small]));
  run(["vm", "delete", ...names]);
  return times;
}

/** What a guest's disk work costs at a chunk size: 64 MiB into a new file, 2,000 small files, and how much layer it took. */
async function chunk(
  sectors: number,
): Promise<{ bootMs: number; writeMs: number; filesMs: number; usedMiB: number }> {
  const machine = await startByHand({
    ...smallest,
    memoryMiB: 512,
    rootfs: "debian-bookworm",
    chunkSectors: sectors,
  });
  try {
    const session = await machine.agent();
    const shell = async (script: string) => {
      const started = performance.now();
      const child = await session.exec({ argv: ["sh", "-c", script] });
      child.stdin.end();
      child.stdout.resume();
      child.stderr.resume();
      if ((await child.exit) !== 0) throw new Error(`${script} failed`);
      return performance.now() - started;
    };
    await shell("true");
    const bootMs = machine.since();
    const writeMs = await shell("dd if=/dev/zero of=/var/big bs=1M count=64 conv=fsync 2>&1");
    const filesMs = await shell(
      "mkdir /var/many; cd /var/many; seq 2000 | while read n; do echo $n > $n; done; sync",
    );
    return { bootMs, writeMs, filesMs, usedMiB: machine.usedSectors() / 2048 };
  } finally {
    await machine.end();
  }
}

async function chunks(): Promise<Record<string, Record<string, number>>> {
  const sizes = [8, 32, 128];
  const seen = new Map(sizes.map((size) => [size, [] as Awaited<ReturnType<typeof chunk>>[]]));
  for (let round = 0; round < 3; round += 1)
    for (const size of round % 2 === 0 ? sizes : sizes.toReversed()) seen.get(size)?.push(await chunk(size));
  const middle = (size: number, key: keyof Awaited<ReturnType<typeof chunk>>) =>
    Math.round(median((seen.get(size) ?? []).map((one) => one[key])));
  return Object.fromEntries(
    sizes.map((size) => [
      `${size / 2} KiB`,
      {
        bootMs: middle(size, "bootMs"),
        writeMs: middle(size, "writeMs"),
        filesMs: middle(size, "filesMs"),
        usedMiB: middle(size, "usedMiB"),
      },
    ]),
  );
}

/** What the daemon's own steps take, in ms: medians over some lives of the smallest VM. */
async function steps(): Promise<Record<string, number>> {
  const config = "/home/dev/.config/banger/config.toml";
  sh(`install -d -o dev -g dev "\${1%/*}"; echo 'log_level = "debug"' > "$1"`, config);
  run(["daemon", "stop"]);
  sh(`until ${banger} daemon status > /dev/null 2>&1; do sleep 1; done`);
  const log = "/var/lib/banger/bangerd.log";
  const before = statSync(log).size;
  for (let round = 0; round < 5; round += 1) await timed(["vm", "run", "--rm", ...small, "--", "true"]);
  sh('rm "$1"', config);
  run(["daemon", "stop"]);
  sh(`until ${banger} daemon status > /dev/null 2>&1; do sleep 1; done`);
  const seen = new Map<string, number[]>();
  for (const line of readFileSync(log).subarray(before).toString().split("\n")) {
    if (!line.includes('"step"')) continue;
    const { list, step, status, ms } = JSON.parse(line) as Record<string, string> & { ms?: number };
    const key = `${list} ${step}`;
    if (status === "done" && ms !== undefined) seen.set(key, [...(seen.get(key) ?? []), ms]);
  }
  return Object.fromEntries([...seen].map(([key, times]) => [key, median(times)]));
}

const benches: Record<string, () => Promise<unknown>> = {
  cold: (): Promise<PairResult> =>
    comparePairs(
      {
        name: "vm run, first output",
        run: () => firstOutput(["vm", "run", "--rm", ...small, "--", "echo", "x"]),
      },
      { name: "by hand", run: () => byHand(tiny, echo) },
      6,
    ),
  debian: (): Promise<PairResult> => {
    const debian = { ...smallest, memoryMiB: 512, rootfs: "debian-bookworm" };
    return comparePairs(
      {
        name: "vm run, first output",
        run: () => firstOutput(["vm", "run", "--rm", ...usual, "--", "echo", "x"]),
      },
      { name: "by hand", run: () => byHand(debian, echo) },
      3,
    );
  },
  stock: (): Promise<PairResult> => {
    if (!existsSync(stockGuest.rootfs)) throw new Error(`${stockGuest.rootfs} is not there`);
    return comparePairs(
      { name: "vm run -- true", run: () => timed(["vm", "run", "--rm", ...usual, "--", "true"]) },
      { name: "stock boot to ssh", run: () => byHand(stockGuest, sshBanner) },
      3,
    );
  },
  warm: (): Promise<PairResult> => {
    return comparePairs(
      { name: "vm run -- true, warm", run: warmRun },
      { name: "stock boot to ssh", run: () => byHand(stockGuest, sshBanner) },
      3,
    );
  },
  restore: (): Promise<PairResult> => {
    const saved = { vcpu: 1, memoryMiB: 512, rootfs: "debian-bookworm", template: template() };
    return comparePairs(
      { name: "vm run -- true, warm", run: warmRun },
      { name: "restored by hand", run: () => byHand(saved, runTrue) },
      6,
    );
  },
  waiting: (): Promise<PairResult> => {
    const saved = { vcpu: 1, memoryMiB: 512, rootfs: "debian-bookworm", template: template() };
    return comparePairs(
      { name: "vm run -- true, when a guest waits", run: () => untilOneWaits().then(warmRun) },
      { name: "restored by hand", run: () => untilOneWaits().then(() => byHand(saved, runTrue)) },
      4,
    );
  },
  "waiting-stock": (): Promise<PairResult> => {
    return comparePairs(
      { name: "vm run -- true, when a guest waits", run: () => untilOneWaits().then(warmRun) },
      { name: "stock boot to ssh", run: () => untilOneWaits().then(() => byHand(stockGuest, sshBanner)) },
      3,
    );
  },
  clones,
  exec: async (): Promise<PairResult> => {
    run(["vm", "create", "--name", "bench", ...usual]);
    // What still starts in the guest would be measured too; and a unit that failed is none of this bench's.
    spawnSync(banger, ["vm", "exec", "bench", "--", "systemctl", "is-system-running", "--wait"], { env });
    // The manager of a session's user ends ten seconds after the session, and takes the guest's processor for it.
    const rested = (word: string) => Bun.sleep(15_000).then(() => timed(["vm", word, "bench", "--", "true"]));
    const result = await comparePairs(
      { name: "vm exec", run: () => rested("exec") },
      { name: "vm ssh", run: () => rested("ssh") },
      5,
    );
    run(["vm", "delete", "bench"]);
    return result;
  },
  idle: idlePss,
  ten: async (): Promise<number[][]> => {
    // What an earlier bench has left to the daemon, and what is made once, is none of the first one's.
    await timed(["vm", "run", "--rm", ...small, "--", "true"]);
    return [await ten(), await ten(), await ten()];
  },
  steps,
  chunks,
};

const bench = benches[process.argv[2] ?? ""];
if (bench === undefined) throw new Error(`one of these: ${Object.keys(benches).join(" ")}`);
process.stdout.write(JSON.stringify(await bench()));
