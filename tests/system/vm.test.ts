/** VMs as the owner of an installed host uses them: jailed, on the bridge, over device-mapper disks; and what is left. */
import { beforeAll, expect, test } from "bun:test";
import { host } from "./host.ts";
import { settledVms, tracesOf } from "./traces.ts";

const machine = await host();
const root = { user: "root" } as const;
const slow = { timeoutMs: 400_000 } as const;
const small = "--image tiny --memory 256M --vcpu 1 --disk-size 64M";

const traces = () => tracesOf(machine);

beforeAll(async () => {
  await machine.giveStore();
  await machine.ok("sudo ./banger system install --owner dev", slow);
}, 400_000);

test("the system daemon serves its owner, with Firecracker", async () => {
  const status = JSON.parse(await machine.ok("banger daemon status --json"));
  expect(status).toMatchObject({ mode: "system", driver: "firecracker", acceleration: "kvm" });
});

test("vm run boots a jailed machine, keeps the streams apart and gives the command's status; nothing is left", async () => {
  const before = await traces();
  const command = "'echo out; echo err >&2; exit 42'";
  const { status, stdout, stderr } = await machine.run(
    `banger vm run --rm ${small} -- /bin/sh -c ${command}`,
    slow,
  );
  expect([status, stdout]).toEqual([42, "out\n"]);
  expect(stderr).toContain("err\n");
  expect(await settledVms(machine)).toEqual([]);
  expect(await traces()).toBe(before);
}, 400_000);

test("a repository is on the VM's work disk when its command runs", async () => {
  await machine.ok(
    `mkdir repo && cd repo && git init -q && echo tracked > file && git add . && git -c user.name=t -c user.email=t@t commit -qm t && echo edited > file`,
  );
  const { status, stdout } = await machine.run(
    `banger vm run --rm ${small} ./repo -- /bin/cat file .git/HEAD`,
    slow,
  );
  expect([status, stdout]).toEqual([0, expect.stringMatching(/^edited\nref: refs\/heads\//)]);
}, 400_000);

test("a VM has an address of the bridge, survives both services' restart, and keeps its disks over stop and start", async () => {
  await machine.ok(`banger vm create --name kept ${small}`, slow);
  const shown = async () => JSON.parse(await machine.ok("banger vm show --json kept"));
  const { pid, ip, layer } = await shown();
  expect(ip).toBe("172.16.0.2");
  expect(layer.overflowed).toBe(false);
  expect((await machine.ok(`ping -c 1 -W 5 ${ip} >/dev/null && echo answered`, slow)).trim()).toBe(
    "answered",
  );
  await machine.ok("banger vm exec kept -- /bin/sh -c 'echo one > /kept; echo two > /root/kept; sync'", slow);
  await machine.ok("sudo systemctl restart bangerd-root && sudo systemctl restart bangerd", slow);
  expect((await shown()).pid).toBe(pid);
  expect(await machine.ok("banger vm exec kept -- /bin/cat /kept /root/kept", slow)).toBe("one\ntwo\n");
  await machine.ok("banger vm stop kept", slow);
  expect(await traces()).toBe("");
  await machine.ok("banger vm start kept", slow);
  expect(await machine.ok("banger vm exec kept -- /bin/cat /kept /root/kept", slow)).toBe("one\ntwo\n");
}, 600_000);

test("two VMs get an address each, and neither reaches the other", async () => {
  await machine.ok(`banger vm create --name other ${small}`, slow);
  const { ip } = JSON.parse(await machine.ok("banger vm show --json other"));
  expect(ip).toBe("172.16.0.3");
  const { status } = await machine.run("banger vm exec other -- /bin/ping -c 1 -W 3 172.16.0.2", slow);
  expect(status).toBe(1);
}, 400_000);

test("a Firecracker that is killed leaves a stopped VM that says why, and no device", async () => {
  const { pid } = JSON.parse(await machine.ok("banger vm show --json other"));
  await machine.ok(`kill -9 ${pid}`, root);
  for (let tries = 0; tries < 60; tries += 1) {
    const vm = JSON.parse(await machine.ok("banger vm show --json other"));
    if (vm.state === "stopped") break;
    await Bun.sleep(500);
  }
  expect(JSON.parse(await machine.ok("banger vm show --json other"))).toMatchObject({
    state: "stopped",
    pid: null,
  });
}, 200_000);

test("a start starts no process but jailer, which becomes Firecracker", async () => {
  const pids = await machine.ok("systemctl show -P MainPID bangerd bangerd-root | xargs");
  await machine.ok(
    `cd /sys/kernel/tracing && echo 0 > tracing_on && echo > trace
for event in sched_process_fork sched_process_exec; do echo 1 > events/sched/$event/enable; done; echo 1 > tracing_on`,
    root,
  );
  await machine.ok("banger vm start other", slow);
  const trace = await machine.ok(
    `cd /sys/kernel/tracing && echo 0 > tracing_on && cat trace
for event in sched_process_fork sched_process_exec; do echo 0 > events/sched/$event/enable; done`,
    root,
  );
  const family = new Set(pids.trim().split(" "));
  const started: string[] = [];
  for (const line of trace.split("\n")) {
    const [, parent, child] = /sched_process_fork: .* pid=(\d+) .* child_pid=(\d+)/.exec(line) ?? [];
    if (parent !== undefined && child !== undefined && family.has(parent)) family.add(child);
    const [, program, pid] = /sched_process_exec: filename=(\S+) pid=(\d+)/.exec(line) ?? [];
    if (program !== undefined && pid !== undefined && family.has(pid)) started.push(program);
  }
  expect(started).toEqual(["/usr/local/bin/jailer", "/firecracker"]);
}, 400_000);

test("deleting them leaves nothing in the kernel, the jails or the state", async () => {
  await machine.ok("banger vm delete kept other", slow);
  expect(await traces()).toBe("");
  expect((await machine.ok("ls /var/lib/banger/vms", root)).trim()).toBe("");
}, 400_000);

test("a machine of another user may not be touched by way of the owner's socket", async () => {
  const { status } = await machine.run("sudo -u nobody /usr/local/bin/banger vm list");
  expect(status).not.toBe(0);
});
