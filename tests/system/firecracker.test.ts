/** The Firecracker driver for real, without a jail: Debian's kernel in Firecracker, by nested KVM. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { bringDriver, live } from "./firecracker/run.ts";
import { host } from "./host.ts";

const machine = await host();
const asRoot = { user: "root" } as const;

beforeAll(async () => {
  await machine.giveStore();
  await bringDriver(machine);
}, 180_000);

afterAll(() => machine.reset(), 300_000);

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
