/** Beside a real firewalld, where one is installed: not by set-up, because it would take over the developer's network. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { canaries, NetLab, netMissing, place, sh } from "./net-fixture.ts";
import { ethernet, tcp } from "./net-frames.ts";

const installed = ["firewalld", "dbus-daemon"].every(
  (program) => spawnSync(program, ["--version"]).error === undefined,
);
// Namespaces and their firewalls take seconds on a host that is busy.
setDefaultTimeout(120_000);
const missing = netMissing() ?? (installed ? undefined : "firewalld and dbus are not installed");
if (missing !== undefined) console.warn(`firewalld tests skipped: ${missing}`);

/** With a system bus of its own. */
const firewalld = `
  mkdir -p /run/dbus; mount -t tmpfs none /run/dbus; dbus-daemon --system --fork --nopidfile
  firewalld --nofork --nopid >&2 &
  for i in $(seq 60); do firewall-cmd --state >/dev/null 2>&1 && break; sleep 0.5; done`;

describe.skipIf(missing !== undefined)("beside firewalld", () => {
  const lab = new NetLab(firewalld);
  beforeAll(() => lab.start());
  afterAll(async () => {
    sh(`ip netns pids ${lab.host} | xargs -r kill`);
    await lab.stop();
  });

  test("a guest with NAT gets out, and the bridge leaves its zone with the last one", async () => {
    await lab.call("ensureBridge", place);
    const me = await lab.guest("172.16.0.2");
    const probe = async () => {
      const before = lab.arrived(lab.internet);
      const segment = tcp(me.address, canaries.public, 443);
      const back = await lab.exchange(me, [ethernet(lab.bridgeMac, me.mac, 0x0800, segment)]);
      return [lab.arrived(lab.internet) - before, back.length];
    };
    const rules = () => lab.onHost("nft -s list table inet firewalld | grep br-fc || true");
    for (let round = 0; round < 2; round += 1) {
      await lab.call("nat", place, me.vm, true);
      expect(await probe()).toEqual([1, 1]);
      const processes = await lab.call("spawned");
      await lab.call("ensureBridge", place);
      expect(await lab.call<unknown>("spawned")).toBe(processes);
      await lab.call("nat", place, me.vm, false);
      expect(await probe()).toEqual([0, 0]);
      expect(rules()).toBe("");
    }
  });
});
