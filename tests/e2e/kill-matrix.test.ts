/**
 * kill -9 of the daemon, the VMM and the CLI at the steps of real VMs' lives, driven by the step lists themselves: a new
 * step is covered by being written. (Every point of every list is gone through on a model of machines in
 * src/vm/crash.test.ts.) BANGER_KILL_MATRIX=all goes through all points here too, which takes about half an hour;
 * otherwise it is all of create and of the daemon's start, and a part of the rest.
 */
import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stepLists } from "../../src/vm/vm.ts";
import { Banger, checkpoints, eventually, processesNaming, templates } from "./fixture.ts";

const banger = new Banger();
const small = ["--memory", "512M", "--vcpu", "1", "--disk-size", "64M"];
const name = "victim";
const whole = process.env.BANGER_KILL_MATRIX === "all";

beforeAll(async () => {
  await banger.image();
});
afterAll(() => banger.close());
/** What a failed test left must not fail the next ones. */
afterEach(async () => {
  const left = (await banger.vms()).map((vm) => vm.name);
  if (left.length > 0) await banger.run(["vm", "delete", ...left]);
});

interface Point {
  list: string;
  step: string;
  when: "before" | "after";
}

const points: Point[] = stepLists.flatMap((list) =>
  list.list.flatMap((step) =>
    (["before", "after"] as const).map((when) => ({ list: list.name, step: step.name, when })),
  ),
);

/** What leads to the lists of a VM that is there. */
const commands: Record<string, string[]> = {
  "vm.stop": ["vm", "stop", name],
  "vm.delete": ["vm", "delete", name],
  "vm.set": ["vm", "set", name, "--disk-size", "512M", "--nat"],
  "vm.pause": ["vm", "pause", name],
  "vm.resume": ["vm", "resume", name],
  "vm.checkpoint": ["vm", "fork", name, "--name", "child"],
  "vm.snapshot": ["vm", "snapshot", "create", name, "kept"],
  "vm.restore": ["vm", "snapshot", "restore", name, "kept"],
  "vm.suspend": ["vm", "suspend", name],
  "vm.suspended": ["vm", "suspend", name],
  "vm.fork": ["vm", "fork", name, "--name", "child"],
};

/** Lists that are gone through when the command that leads to them has long been done. */
const background: readonly string[] = ["template.make", "vm.spare"];

interface Listed {
  waiting: boolean;
}
const known = async () => JSON.parse(await banger.ok(["template", "list", "--json"])) as Listed[];

/** There is a template, and no daemon. */
async function haveTemplate(): Promise<void> {
  if ((await known()).length === 0) {
    await banger.ok(["vm", "create", "--name", name, ...small]);
    await eventually("a template is made", 240_000, async () => (await known()).length > 0);
    await banger.ok(["vm", "delete", name]);
  }
  await banger.run(["daemon", "stop"]);
}

/** Whose pid is in DIR/hit. An empty file would be 0: this process's own group. */
function stoppedDaemon(dir: string): number {
  const pid = Number(readFileSync(join(dir, "hit"), "utf8"));
  expect(pid).toBeGreaterThan(1);
  return pid;
}

/** Starts what leads to the point, and returns when the daemon stands still there. */
async function approach({ list, step, when }: Point) {
  await banger.run(["daemon", "stop"]);
  const warm = background.includes(list);
  const config = join(banger.env.XDG_CONFIG_HOME ?? "", "banger/config.toml");
  const mode = warm ? "auto" : "off";
  writeFileSync(config, `[warm]\nmode = "${mode}"\nspare = ${list === "vm.spare"}\n`);
  if (list === "template.make") {
    await banger.ok(["template", "prune"]);
    await banger.run(["daemon", "stop"]);
  }
  if (list === "vm.spare") await haveTemplate();
  if (commands[list] !== undefined) {
    const running = list === "vm.set" ? ["--no-start"] : [];
    await banger.ok(["vm", "create", "--name", name, ...running, ...small]);
    if (list === "vm.restore") await banger.ok(["vm", "snapshot", "create", name, "kept"]);
    if (list === "vm.resume") await banger.ok(["vm", "pause", name]);
    await banger.run(["daemon", "stop"]);
  }
  const dir = join(banger.dir, "failpoint");
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  writeFileSync(join(dir, "point"), `${list}.${step}:${when}`);
  const args = commands[list] ?? ["vm", "create", "--name", name, ...small];
  const cli = banger.start(args, { env: { BANGER_FAILPOINT: dir } });
  const ended = new Promise<number | null>((resolve) => cli.on("close", resolve));
  let said = "";
  cli.stderr.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  cli.stdout.resume();
  // A guest waits until the next VM takes it.
  if (list === "vm.spare" && step === "wait" && when === "after") {
    expect(await ended).toBe(0);
    await eventually("a guest waits", 60_000, async () => (await known()).some(({ waiting }) => waiting));
    banger.start(["vm", "create", "--name", "taker", ...small]).on("error", () => {});
  }
  await eventually(`the daemon comes to ${list}.${step}`, 120_000, () => {
    // A template is made when the command that missed it has long been done.
    if (cli.exitCode !== null && !(warm && cli.exitCode === 0))
      throw new Error(`banger ${args.join(" ")} ended with ${cli.exitCode}: ${said}`);
    return existsSync(join(dir, "hit"));
  });
  return { cli, ended, daemon: stoppedDaemon(dir), go: () => writeFileSync(join(dir, "go"), "") };
}

/** After the kill: whatever is left is said in the rows, the rest is gone, and the next command works. */
async function settle() {
  const vms = await banger.vms();
  const machines = processesNaming("qemu-system-x86_64 -name guest=victim");
  const running = vms.filter(({ state }) => state === "running" || state === "paused");
  expect(machines.length).toBe(running.length);
  if (vms.length > 0) await banger.ok(["vm", "delete", ...vms.map((vm) => vm.name)]);
  expect(banger.leftovers().filter((left) => !left.includes("internal daemon"))).toEqual([]);
  expect(existsSync(checkpoints) ? readdirSync(checkpoints) : []).toEqual([]);
  for (const name of existsSync(templates) ? readdirSync(templates) : [])
    expect(name).toMatch(/^[0-9a-f]{32}$/);
  await banger.ok(["vm", "create", "--no-start", "--name", "victim", ...small]);
  await banger.ok(["vm", "delete", "victim"]);
}

for (const point of points) {
  const ofDaemon =
    point.list === "vm.create" ||
    point.list === "vm.set" ||
    point.list === "vm.checkpoint" ||
    (point.list === "vm.start" && point.when === "after") ||
    (point.list === "vm.spare" && ["vmm_launch", "wait"].includes(point.step)) ||
    (point.list === "template.make" && ["vmm_launch", "save"].includes(point.step) && point.when === "after");
  if (!whole && !ofDaemon) continue;
  test(`the daemon killed ${point.when} ${point.list}.${point.step}`, async () => {
    const { daemon, ended } = await approach(point);
    process.kill(daemon, "SIGKILL");
    expect(await ended).toBe(background.includes(point.list) ? 0 : 1);
    await settle();
  });
}

for (const point of points.filter(
  ({ list, step }) => list === "vm.start" && ["vmm_launch", "agent_hello", "guest_ready"].includes(step),
)) {
  if (point.when === "before" && point.step !== "guest_ready") continue;
  test(`the VMM killed ${point.when} ${point.list}.${point.step}`, async () => {
    const { ended, go } = await approach(point);
    const qemu = Number(processesNaming("qemu-system-x86_64 -name guest=victim")[0]?.split(" ")[0]);
    process.kill(qemu, "SIGKILL");
    go();
    const status = await ended;
    // Killed after everything was ready it counts as started, and is then noticed.
    if (status !== 0) expect(status).toBe(1);
    await eventually("the VM is no longer running", 10_000, async () =>
      (await banger.vms()).every((vm) => vm.state !== "running"),
    );
    await settle();
  });
}

for (const point of points.filter(
  ({ list, step, when }) =>
    when === "after" &&
    ((list === "vm.create" && step === "root_disk") || (list === "vm.start" && step === "agent_hello")),
)) {
  test(`the CLI killed ${point.when} ${point.list}.${point.step}`, async () => {
    const { cli, ended, go } = await approach(point);
    cli.kill("SIGKILL");
    await ended;
    go();
    await eventually(
      "what was being made is taken back",
      15_000,
      async () => (await banger.vms()).length === 0,
    );
    await settle();
  });
}

test("a daemon killed again during its recovery is recovered from all the same", async () => {
  const { daemon, ended } = await approach({ list: "vm.start", step: "agent_hello", when: "after" });
  process.kill(daemon, "SIGKILL");
  await ended;
  const dir = join(banger.dir, "failpoint");
  for (const step of ["agent_hello", "vmm_launch", "run_directory"]) {
    rmSync(dir, { recursive: true, force: true });
    mkdirSync(dir);
    writeFileSync(join(dir, "point"), `vm.start.${step}:undo_before`);
    const cli = banger.start(["vm", "list"], { env: { BANGER_FAILPOINT: dir } });
    cli.stdout.resume();
    cli.stderr.resume();
    await eventually(`recovery comes to ${step}`, 60_000, () => existsSync(join(dir, "hit")));
    process.kill(stoppedDaemon(dir), "SIGKILL");
    await new Promise((resolve) => cli.on("close", resolve));
  }
  await settle();
});
