/**
 * What a guest reaches: every flow is sent as frames into the VM's TAP, and counted where it may arrive: at the host's
 * own input, in the internet, in a container of the host's, at another guest, and back at the sender.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Guest, NetLab, netMissing, place, withoutNft, withoutNftAndEbtables } from "./net-fixture.ts";
import { ethernet } from "./net-frames.ts";
import { arrivals, exposedHost, flows } from "./net-matrix.ts";

// Namespaces and their firewalls take seconds on a host that is busy.
setDefaultTimeout(120_000);
const missing = netMissing();
if (missing !== undefined) console.warn(`network tests skipped: ${missing}`);

const hosts = [
  { title: "nft", before: "true", kind: "nft", gaps: 0 },
  { title: "iptables and ebtables", before: withoutNft, kind: "iptables", gaps: 0 },
  { title: "iptables alone", before: withoutNftAndEbtables, kind: "iptables", gaps: 1 },
];

for (const { title, before, kind, gaps } of hosts) {
  describe.skipIf(missing !== undefined)(`what a guest reaches, on a host with ${title}`, () => {
    const lab = new NetLab(before);
    let me: Guest;
    let other: Guest;
    beforeAll(async () => {
      ({ me, other } = await exposedHost(lab));
    });
    afterAll(() => lab.stop());

    test("the host's firewall is found, and what it cannot do is said", async () => {
      const found = await lab.call<{ kind: string; gaps: string[] }>("firewall");
      expect({ kind: found.kind, gaps: found.gaps.length }).toEqual({ kind, gaps });
    });

    for (const nat of [false, true]) {
      describe(nat ? "with NAT" : "without NAT", () => {
        beforeAll(async () => {
          await lab.call("nat", place, me.vm, nat);
        });
        for (const flow of flows) {
          test(flow.name, async () => {
            const allowed = (nat ? flow.on : undefined) ?? flow.off ?? {};
            const known = gaps > 0 ? (flow.gap ?? allowed) : allowed;
            expect(await arrivals(lab, flow, me, other)).toEqual(known);
          });
        }
      });
    }

    test("all of that would arrive somewhere if banger did not see to it", async () => {
      if (kind !== "nft") return;
      lab.onHost("nft delete table inet banger; nft delete table bridge banger");
      lab.onHost(`bridge link set dev ${me.tap} isolated off; bridge link set dev ${other.tap} isolated off`);
      const leaks: string[] = [];
      for (const flow of flows) {
        // So that the bridge knows where the other guest is, whatever was sent in its name.
        const hello = ethernet("ff:ff:ff:ff:ff:ff", other.mac, 0x9000, Buffer.alloc(50));
        await lab.call("send", other.tap, [hello.toString("hex")]);
        if (Object.keys(await arrivals(lab, flow, me, other)).length > 0) leaks.push(flow.name);
      }
      // What the kernel drops by itself, and what nobody answers or counts here. (A late answer to the flow before may
      // make one of them seem to arrive.)
      const silent = [
        ...["UDP multicast (mDNS)", "IGMP", "a packet with the bridge's address", "IPv6 to the host"],
        ...["a frame in a VLAN", "ARP to the port itself, by a link-local MAC address", "PPPoE"],
      ];
      const names = flows.map(({ name }) => name);
      expect(names).toEqual(expect.arrayContaining(silent));
      expect(names.filter((name) => !leaks.includes(name) && !silent.includes(name))).toEqual([]);
    });
  });
}
