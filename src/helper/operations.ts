/** The table of operations: each method of the helper's contract, and what does it. A missing one does not compile. */
import type { HandlersOf, HelperMethod, helper } from "../rpc/rpc.ts";
import { attachDisk } from "./disk/attach.ts";
import { checkDisk } from "./disk/check.ts";
import { detachDisk } from "./disk/detach.ts";
import { flushDisk } from "./disk/flush.ts";
import { diskStatus } from "./disk/status.ts";
import { takeInventory } from "./inventory.ts";
import { endMachine } from "./machine/end.ts";
import { launchMachine } from "./machine/launch.ts";
import { signalMachine } from "./machine/signal.ts";
import { ensureBridge } from "./network/bridge.ts";
import { chooseFirewall } from "./network/firewall.ts";
import { setNat } from "./network/nat.ts";
import { effectOnNetwork, networkInventory, ofNetwork, pathProbe } from "./network/operation.ts";
import { clearNames, routeNames } from "./network/resolver.ts";
import { acquireTap, releaseTap } from "./network/tap.ts";
import { type Handler, handler, type Site } from "./operation.ts";
import { ping } from "./ping.ts";

const operations: { [M in HelperMethod]: Handler<M> } = {
  ping: handler("ping", ping),
  "bridge.ensure": handler(
    "bridge.ensure",
    ofNetwork(async (_params, place, log) => {
      for (const gap of (await chooseFirewall()).gaps) log.warn("the firewall has a gap", { gap });
      return ensureBridge(place);
    }),
  ),
  "tap.acquire": handler("tap.acquire", ofNetwork(acquireTap)),
  "tap.release": handler("tap.release", effectOnNetwork(releaseTap)),
  "nat.set": handler("nat.set", effectOnNetwork(setNat)),
  "path.probe": handler("path.probe", pathProbe),
  "disk.attach": handler("disk.attach", attachDisk),
  "disk.check": handler("disk.check", checkDisk),
  "disk.status": handler("disk.status", diskStatus),
  "disk.flush": handler("disk.flush", flushDisk),
  "disk.detach": handler("disk.detach", detachDisk),
  "machine.launch": handler("machine.launch", launchMachine),
  "machine.signal": handler("machine.signal", signalMachine),
  "machine.end": handler("machine.end", endMachine),
  "resolver.route": handler("resolver.route", ofNetwork(routeNames)),
  "resolver.clear": handler(
    "resolver.clear",
    effectOnNetwork((_params, place) => clearNames(place)),
  ),
  inventory: handler("inventory", takeInventory(networkInventory)),
};

export function handlersFor(site: Site): HandlersOf<typeof helper> {
  const bound = Object.entries(operations).map(([method, run]) => [
    method,
    // The table pairs each method with its own types; a walk over it loses the pairing.
    (params: never, ctx: never) => (run as Handler<HelperMethod>)(params, site, ctx),
  ]);
  return Object.fromEntries(bound) as HandlersOf<typeof helper>;
}
