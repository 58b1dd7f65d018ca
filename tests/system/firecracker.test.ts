/** The Firecracker driver for real, without a jail: Debian's kernel in Firecracker, by nested KVM. */
import { beforeAll, expect, test } from "bun:test";
import { bringDriver, live } from "./firecracker/run.ts";
import { host } from "./host.ts";

const machine = await host();
const asRoot = { user: "root" } as const;

beforeAll(async () => {
  await withoutServices();
  await machine.giveStore();
  await bringDriver(machine);
}, 600_000);

/** What a user's own daemon runs when it is told to, on a host without banger's services; its store is where the host has it. */
const told = { daemon: {} as object, run: {}, refused: "" };
async function withoutServices(): Promise<void> {
  const config = "~/.config/banger/config.toml";
  const banger = "XDG_STATE_HOME=/srv ./banger";
  const slow = { timeoutMs: 300_000 };
  await machine.ok(`mkdir -p ~/.config/banger && echo 'vmm = "firecracker"' > ${config}`);
  told.refused = (await machine.run(`${banger} vm list`, slow)).stderr;
  await machine.ok(`echo 'jailer_enabled = false' >> ${config}`);
  const command = "vm run --rm --image tiny --memory 128M --vcpu 1 --disk-size 64M -- /bin/sh -c 'exit 5'";
  told.run = await machine.run(`${banger} ${command}`, slow);
  told.daemon = JSON.parse(await machine.ok(`${banger} daemon status --json`));
  await machine.ok(`${banger} daemon stop; rm -r ~/.config/banger`);
}

test("a user's own daemon runs Firecracker when it is told to, without a jail; asked for one, it says who can make it", () => {
  expect(told.refused).toContain('vmm = "firecracker" needs the system services');
  expect(told.run).toMatchObject({ status: 5 });
  expect(told.daemon).toMatchObject({
    ...{ mode: "user", driver: "firecracker", acceleration: "kvm", vmsTotal: 0 },
  });
});

test("a guest starts, is talked to over vsock, found again by a driver that knows nothing, and killed", async () => {
  const told = await live(machine, { image: "tiny", memoryMiB: 128, end: "kill" });
  expect(told.probe).toEqual({ driver: "firecracker", usable: true, acceleration: "kvm", version: "1.12.1" });
  expect(told.uname).toContain("cloud-amd64");
  expect(told).toMatchObject({ foundAgain: true, foundInRunDir: true, left: [], leftProcess: false });
  expect(told.secondStart).toContain("runs already");
}, 400_000);

test("a guest that is told to power off ends its machine, although Firecracker has no power switch", async () => {
  const told = await live(machine, { image: "tiny", memoryMiB: 128, end: "immediate" });
  expect(told).toMatchObject({ left: [], leftProcess: false });
}, 400_000);

test("Debian boots to basic.target, runs commands by the agent and by ssh, and powers off in order", async () => {
  await machine.ok(
    `set -e; ip tuntap add fc-probe mode tap; ip addr add 172.31.0.1/24 dev fc-probe; ip link set fc-probe up
rm -f /tmp/fc-key*; ssh-keygen -q -t ed25519 -N '' -f /tmp/fc-key`,
    asRoot,
  );
  try {
    const authorizedKey = (await machine.ok("cat /tmp/fc-key.pub", asRoot)).trim();
    const network = { tap: "fc-probe", authorizedKey };
    const told = await live(machine, {
      image: "debian-bookworm",
      memoryMiB: 512,
      end: "power off",
      network,
    });
    // A figure, and no test: the machine that this runs on has other things to do.
    const median = (times: readonly number[]) => times[times.length >> 1] ?? Number.NaN;
    const ratio = (median(told.sshMs) / median(told.execMs)).toFixed(1);
    console.log(
      `exec true: ${told.execMs.join(" ")} ms; a fresh ssh: ${told.sshMs.join(" ")} ms; ${ratio} x`,
    );
    expect(told).toMatchObject({ left: [], leftProcess: false });
  } finally {
    await machine.ok("ip link del fc-probe", asRoot);
  }
}, 600_000);
