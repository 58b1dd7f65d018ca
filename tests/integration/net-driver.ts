/**
 * The helper's network operations in a network namespace of the test's own, by lines of JSON on stdin and stdout; and
 * guests, played by whoever has a TAP device open. Started by net-fixture.ts with `ip netns exec`.
 */
import { closeSync, readSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { toBangerError, type VmId } from "../../src/base/base.ts";
import { ensureBridge } from "../../src/helper/network/bridge.ts";
import { clearNetwork } from "../../src/helper/network/clear.ts";
import { chooseFirewall } from "../../src/helper/network/firewall.ts";
import { setNat } from "../../src/helper/network/nat.ts";
import { type NetworkPlace, readNetwork } from "../../src/helper/network/network.ts";
import { probePath, removeProbe } from "../../src/helper/network/probe.ts";
import { clearNames, routeNames } from "../../src/helper/network/resolver.ts";
import { acquireTap, releaseTap } from "../../src/helper/network/tap.ts";
import { macOf } from "../../src/net/net.ts";
import { listLinks, openTap, spawnCount } from "../../src/sys/sys.ts";

/** struct virtio_net_hdr: nothing offloaded. */
const header = Buffer.alloc(10);
const guests = new Map<string, number>();

function received(tap: string): string[] {
  const fd = guests.get(tap);
  const frames: string[] = [];
  const buffer = Buffer.alloc(65600);
  for (;;) {
    try {
      const size = readSync(fd ?? -1, buffer);
      frames.push(buffer.subarray(header.length, size).toString("hex"));
    } catch {
      // EAGAIN: nothing more.
      return frames;
    }
  }
}

const calls: Record<string, (...args: never[]) => unknown> = {
  ensureBridge: (place: NetworkPlace) => ensureBridge(place),
  acquire: (place: NetworkPlace, vm: VmId, address: string, mac = macOf(vm)) =>
    acquireTap({ vm, address, mac }, place),
  release: (place: NetworkPlace, vm: VmId) => releaseTap({ vm }, place),
  nat: (place: NetworkPlace, vm: VmId, on: boolean) => setNat({ vm, on }, place),
  remove: () => clearNetwork(),
  probe: (place: NetworkPlace, server: string | null) =>
    probePath({ server }, place, new AbortController().signal),
  removeProbe: (place: NetworkPlace) => removeProbe(place),
  route: (place: NetworkPlace, port: number) => routeNames({ port }, place),
  unroute: (place: NetworkPlace) => clearNames(place),
  network: (place: NetworkPlace) => readNetwork(place),
  firewall: async () => {
    const { kind, gaps } = await chooseFirewall();
    return { kind, gaps };
  },
  links: () => listLinks(),
  spawned: () => spawnCount(),
  open: (tap: string) => {
    guests.set(tap, openTap(tap, false));
  },
  close: (tap: string) => {
    closeSync(guests.get(tap) ?? -1);
    guests.delete(tap);
  },
  send: (tap: string, frames: string[]) => {
    for (const frame of frames)
      writeSync(guests.get(tap) ?? -1, Buffer.concat([header, Buffer.from(frame, "hex")]));
  },
  received,
};

async function answer(line: string): Promise<void> {
  const { id, name, args } = JSON.parse(line) as { id: number; name: string; args: never[] };
  const said = await Promise.resolve()
    .then(() => calls[name]?.(...args))
    .then(
      (result) => ({ id, result: result ?? null }),
      (error) => {
        const { code, message, hint } = toBangerError(error);
        return { id, error: { code, message, hint } };
      },
    );
  const plain = (_key: string, value: unknown) => (value instanceof Set ? [...value] : value);
  process.stdout.write(`${JSON.stringify(said, plain)}\n`);
}

for await (const line of createInterface({ input: process.stdin })) void answer(line);
