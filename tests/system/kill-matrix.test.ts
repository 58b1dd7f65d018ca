/**
 * The services, the helper and the machine killed or restarted at the steps of a VM's life, driven by the step lists
 * themselves. After each: nothing is left that no VM accounts for, and a VM that has run all along runs on.
 *
 * There are some three hundred points, at ten seconds each. BANGER_KILL_MATRIX=all goes through all of them, and
 * BANGER_KILL_MATRIX=bangerd (or another fault's name) through all of one fault; otherwise it is as many as fit, another
 * part each day.
 */
import { beforeAll, expect, test } from "bun:test";
import { stepLists } from "../../src/vm/vm.ts";
import { host } from "./host.ts";
import { allOf, settledVms } from "./traces.ts";

const machine = await host();
const root = { user: "root" } as const;
const slow = { timeoutMs: 300_000 } as const;
const small = "--image tiny --memory 128M --vcpu 1 --disk-size 64M";
const asked = process.env.BANGER_KILL_MATRIX ?? "";
const perRun = 6;
const dir = "/var/lib/banger/failpoint";

/** What is done while the daemon stands still at the point; `go` is given afterwards. */
const faults = {
  bangerd: "systemctl kill --signal=KILL bangerd",
  "bangerd-root": "systemctl kill --signal=KILL bangerd-root",
  // The bystander's is another one.
  machine: "pgrep -x 'firecracker|jailer' | grep -vx \"$BYSTANDER\" | xargs -r kill -9",
  "restart of bangerd-root": "systemctl restart bangerd-root",
  // systemd kills it, in the end: it stands still.
  "restart of bangerd":
    "timeout 3 systemctl restart --no-block bangerd; systemctl kill --signal=KILL bangerd",
} as const;

const noLongerStopping =
  "until ! banger vm list --json | jq -e 'any(.[]; .state == \"stopping\")' > /dev/null; do sleep 0.2; done";

/** What leads to a list's steps; the victim is there already for all but create. */
const commands: Record<string, { prepare: string; command: string }> = {
  "vm.create": { prepare: "true", command: `banger vm create --no-start --name victim ${small}` },
  "vm.start": {
    prepare: `banger vm create --no-start --name victim ${small}`,
    command: "banger vm start victim",
  },
  "vm.set": {
    prepare: `banger vm create --no-start --name victim ${small}`,
    command: "banger vm set victim --nat --disk-size 128M",
  },
  "vm.stop": { prepare: `banger vm create --name victim ${small}`, command: "banger vm stop victim" },
  "vm.delete": {
    prepare: `banger vm create --no-start --name victim ${small}`,
    command: "banger vm delete victim",
  },
};

// What goes on from a template, and its making, is in warm.test.ts; what only QEMU can do has no list here.
const lists = stepLists.filter(({ name }) => name in commands);
const points = lists.flatMap((list) =>
  list.list.flatMap((step) =>
    (["before", "after"] as const).flatMap((when) =>
      Object.keys(faults).map((fault) => ({
        list: list.name,
        point: `${list.name}.${step.name}:${when}`,
        fault,
      })),
    ),
  ),
);

/** Every so many days each point has had its turn. */
function today(): typeof points {
  if (asked === "all") return points;
  if (asked !== "") return points.filter(({ fault }) => fault === asked);
  const day = Math.floor(Date.now() / 86_400_000);
  // Spread over all the lists; a point further each day.
  return Array.from(
    { length: perRun },
    (_, index) => points[(day + Math.floor((index * points.length) / perRun)) % points.length],
  ).filter((point) => point !== undefined);
}

let bystander = 0;
let quiet = "";
/** Whether the point before this one may have left its victim. */
let failed = false;

beforeAll(async () => {
  await machine.giveStore();
  await machine.ok("sudo ./banger system install --owner dev", slow);
  await machine.ok(
    `mkdir -p /run/systemd/system/bangerd.service.d
printf '[Service]\\nEnvironment=BANGER_FAILPOINT=${dir}\\n' > /run/systemd/system/bangerd.service.d/failpoint.conf
# Killed a hundred times, it is still to come back.
for unit in bangerd bangerd-root; do
  mkdir -p /run/systemd/system/$unit.service.d
  printf '[Unit]\\nStartLimitIntervalSec=0\\n' > /run/systemd/system/$unit.service.d/limit.conf
done
install -d -o dev -g dev ${dir}
systemctl daemon-reload && systemctl restart bangerd`,
    { ...root, ...slow },
  );
  await settledVms(machine);
  await machine.ok(`banger vm create --name bystander ${small}`, slow);
  bystander = JSON.parse(await machine.ok("banger vm show --json bystander")).pid;
  quiet = await allOf(machine);
}, 600_000);

for (const { list, point, fault } of today()) {
  test(`${fault} at ${point}`, async () => {
    const { prepare, command } = commands[list] ?? { prepare: "false", command: "" };
    const disturb = faults[fault as keyof typeof faults].replace("$BYSTANDER", String(bystander));
    if (failed) await machine.run("banger vm delete victim", slow);
    failed = true;
    await machine.ok(
      `${prepare} && rm -f ${dir}/* && echo '${point}' > ${dir}/point || exit 1; (${command} > /tmp/said 2>&1; echo $? > /tmp/status) &
until [ -e ${dir}/hit ] || ! jobs %% > /dev/null 2>&1; do sleep 0.1; done; test -e ${dir}/hit
sudo sh -c '${disturb.replaceAll("'", "'\\''")}'; touch ${dir}/go; wait`,
      slow,
    );
    const status = (await machine.ok("cat /tmp/status")).trim();
    // A machine that dies once its start has been answered is noticed, and cleared up after, by the daemon itself.
    if (fault === "machine") await machine.ok(noLongerStopping, slow);
    const vms = await settledVms(machine);
    const victim = vms.find(({ name }) => name === "victim");
    const what = `status ${status}, ${JSON.stringify(victim)}, ${await machine.ok("cat /tmp/said")}`;
    // What was said to be done is done; anything may also have failed, but not half.
    expect(["0", "1"], what).toContain(status);
    if (status === "0" && list === "vm.create") expect(victim?.state, what).toBe("created");
    if (status === "0" && list === "vm.stop") expect(victim?.state, what).toBe("stopped");
    if (status === "0" && list === "vm.delete") expect(victim, what).toBeUndefined();
    // What a helper's or a machine's death has stopped half-way is finished by the VM's next command.
    const halfway = status === "1" ? ["stopping", "error"] : [];
    expect(["created", "running", "stopped", ...halfway, undefined], what).toContain(victim?.state);
    if (victim !== undefined) await machine.ok("banger vm delete victim", slow);
    expect(await allOf(machine), what).toBe(quiet);
    expect(vms.find(({ name }) => name === "bystander")?.pid, what).toBe(bystander);
    expect(await machine.ok("banger vm exec bystander -- /bin/echo here", slow)).toBe("here\n");
    failed = false;
  }, 600_000);
}
