/** Watching VMs: what they take, what their consoles say, what happens to them, the table; and VMs that nobody uses. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Happening } from "../../src/rpc/contract.ts";
import { Banger, eventually, executable } from "./fixture.ts";

const banger = new Banger();
const name = "watched";
/** Long enough for a busy machine between two commands that use it, short enough for a test. */
const stopAfter = "20s";
const exec = (script: string) => banger.run(["vm", "exec", name, "--", "sh", "-c", script]);
const record = async () => JSON.parse(await banger.ok(["vm", "show", name, "--json"]));
const happened: Happening[] = [];
const events = {
  child: undefined as ReturnType<Banger["start"]> | undefined,
  ended: Promise.resolve<number | null>(0),
};

const configure = (config: string) =>
  Bun.write(
    join(banger.env.XDG_CONFIG_HOME ?? "", "banger/config.toml"),
    `${config}\n[warm]\nmode = "off"\nspare = false\n`,
  );

function followEvents(): void {
  const child = banger.start(["events", "--json"]);
  let rest = "";
  child.stdout.on("data", (chunk) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    happened.push(...lines.map((line): Happening => JSON.parse(line)));
  });
  events.child = child;
  events.ended = new Promise((resolve) => child.on("close", resolve));
}

const tmux = (...words: string[]) =>
  spawnSync("tmux", ["-S", join(banger.dir, "tmux"), "-f", "/dev/null", ...words], {
    encoding: "utf8",
    env: { ...banger.env, TERM: "xterm" },
  });
const screen = () => tmux("capture-pane", "-p", "-t", "table").stdout;
const sees = (what: RegExp, limitMs = 20_000) =>
  eventually(`${what} is on the screen`, limitMs, () => what.test(screen()));
const press = (...keys: string[]) => tmux("send-keys", "-t", "table", ...keys);

beforeAll(async () => {
  await banger.image();
  followEvents();
  await eventually("the reader is there", 10_000, async () => (await banger.ok(["daemon", "status"])) !== "");
  await Bun.sleep(500);
  await banger.ok(["vm", "create", "--name", name, "--memory", "512M"]);
});
afterAll(async () => {
  tmux("kill-server");
  events.child?.kill("SIGKILL");
  await banger.close();
});

test("stats are what the host and the guest see, and the guest's work shows in both", async () => {
  const [idle] = JSON.parse(await banger.ok(["vm", "stats", "--json"]));
  expect(idle.vm.name).toBe(name);
  expect(idle.guest.memoryTotalBytes).toBeWithin(380 * 1024 ** 2, 512 * 1024 ** 2);
  expect(idle.host.residentBytes).toBeGreaterThan(64 * 1024 ** 2);
  expect(idle.host.ownBytes).toBeWithin(64 * 1024 ** 2, idle.host.residentBytes + 1);
  expect(idle.host.proportionalBytes).toBeLessThanOrEqual(idle.host.residentBytes);
  expect(idle.disk.work).toMatchObject({ apparentBytes: 8 * 1024 ** 3 });
  const working = exec(
    "timeout 4 sh -c 'while :; do :; done'; head -c 40000000 /dev/urandom > /root/data; sync",
  );
  await Bun.sleep(1_500);
  const [busy] = JSON.parse(await banger.ok(["vm", "stats", name, "--json"]));
  expect(busy.cpuPercent).toBeGreaterThan(25);
  await working;
  const [after] = JSON.parse(await banger.ok(["vm", "stats", "--json"]));
  expect(after.disk.work.allocatedBytes - idle.disk.work.allocatedBytes).toBeGreaterThan(35_000_000);
  expect(await banger.ok(["vm", "ping", name])).toMatch(/^watched: its agent answers in [0-9.]+ ms\n$/);
  expect(await banger.ok(["vm", "stats"])).toMatch(/^NAME.*\nwatched +running +[0-9.]+% /);
});

test("logs -f --tail goes on through a restart, and ends with Ctrl-C", async () => {
  await exec("echo first > /dev/console; echo second > /dev/console");
  await eventually("it is logged", 10_000, async () =>
    (await banger.ok(["vm", "logs", name])).includes("second"),
  );
  const child = banger.start(["vm", "logs", "-f", "--tail", "1", name]);
  let shown = "";
  child.stdout.on("data", (chunk) => {
    shown += chunk;
  });
  await eventually("the last line is shown", 10_000, () => shown.includes("second"));
  await banger.ok(["vm", "restart", name]);
  await exec("echo after the restart > /dev/console");
  await eventually("what comes is shown", 10_000, () => shown.includes("after the restart"));
  expect(shown).not.toContain("first");
  child.kill("SIGINT");
  expect(await new Promise((resolve) => child.on("close", resolve))).toBe(130);
  const lines = (await banger.ok(["vm", "logs", "--source", "daemon", name])).trim().split("\n");
  expect(lines.map((line) => JSON.parse(line).message)).toEqual([
    "vm.created",
    "vm.started",
    "vm.stopped",
    "vm.started",
  ]);
});

test("the table shows it, and keys stop it, start it, and open a shell, in a real terminal", async () => {
  const shell = "env PS1='host> ' bash --norc --noprofile";
  tmux("new-session", "-d", "-s", "table", "-x", "90", "-y", "15", shell);
  await sees(/host>/);
  press(`${executable} tui`, "Enter");
  await sees(/> {2}watched {2}running .*%.* \/ /);
  press("Enter");
  await sees(/root@watched/, 60_000);
  press("stty size; exit", "Enter");
  await sees(/banger: 1 VM, 1 running/, 30_000);
  tmux("resize-window", "-t", "table", "-x", "30", "-y", "5");
  await sees(/^> {2}watched {2}running/m);
  tmux("resize-window", "-t", "table", "-x", "90", "-y", "15");
  press("C-z");
  await sees(/Stopped/);
  press("fg", "Enter");
  await sees(/banger: 1 VM, 1 running/);
  press("x");
  await sees(/> {2}watched {2}stopped/, 60_000);
  press("S");
  await sees(/> {2}watched {2}running/, 120_000);
  press("q");
  await sees(/host>\s*$/);
  press("echo left with $?", "Enter");
  await sees(/left with 0/);
  expect(screen()).toContain("15 90");
  expect(screen()).not.toContain("enter shell");
});

test("a VM that nobody touches is stopped, not one with an open command; events and show say why", async () => {
  await configure(`auto_stop_stale_after = "${stopAfter}"`);
  events.child?.kill("SIGINT");
  expect(await events.ended).toBe(0);
  await banger.ok(["daemon", "stop"]);
  // The next daemon reads it, and finds the VM running.
  followEvents();
  const open = exec("sleep 30; echo done");
  await Bun.sleep(28_000);
  expect((await record()).state).toBe("running");
  expect((await open).stdout).toBe("done\n");
  await eventually("it is stopped", 90_000, async () => (await record()).state === "stopped");
  const why = `nobody had used it for ${stopAfter} (auto_stop_stale_after)`;
  expect((await record()).lastError).toBe(why);
  expect(await banger.ok(["vm", "show", name])).toContain(`because:      ${why}`);
  await eventually("it is told", 5_000, () => happened.at(-1)?.details.reason === why);
  expect(happened.map(({ kind }): string => kind)).toEqual([
    ...["vm.created", "vm.started", "vm.stopped", "vm.started", "vm.stopped", "vm.started"],
    "vm.stopped",
  ]);
  expect(await banger.ok(["events", "--since", "5m", "--no-follow"])).toContain(
    `vm.stopped        watched           reason: ${why}`,
  );
});
