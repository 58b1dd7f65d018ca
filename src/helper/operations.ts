/** The table of operations: each method of the helper's contract, and what does it. A missing one does not compile. */
import { BangerError } from "../base/base.ts";
import type { HandlersOf, HelperMethod, helper } from "../rpc/rpc.ts";
import { attachDisk } from "./disk-attach.ts";
import { checkDisk } from "./disk-check.ts";
import { detachDisk } from "./disk-detach.ts";
import { diskStatus } from "./disk-status.ts";
import { type NetworkInventory, takeInventory } from "./inventory.ts";
import { endMachine } from "./machine-end.ts";
import { launchMachine } from "./machine-launch.ts";
import { signalMachine } from "./machine-signal.ts";
import { type Handler, handler, type Site } from "./operation.ts";
import { ping } from "./ping.ts";

/** The network's operations come here; without them they are refused by name. */
const noNetwork = async (): Promise<never> => {
  throw new BangerError("unavailable", "this build of bangerd-root has no network operations");
};
const networkInventory = (_site: Site): NetworkInventory => ({ attached: [], idleTaps: 0, bridge: null });

const operations: { [M in HelperMethod]: Handler<M> } = {
  ping: handler("ping", ping),
  "bridge.ensure": noNetwork,
  "tap.acquire": noNetwork,
  "tap.release": noNetwork,
  "nat.set": noNetwork,
  "disk.attach": handler("disk.attach", attachDisk),
  "disk.check": handler("disk.check", checkDisk),
  "disk.status": handler("disk.status", diskStatus),
  "disk.detach": handler("disk.detach", detachDisk),
  "machine.launch": handler("machine.launch", launchMachine),
  "machine.signal": handler("machine.signal", signalMachine),
  "machine.end": handler("machine.end", endMachine),
  "resolver.route": noNetwork,
  "resolver.clear": noNetwork,
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
