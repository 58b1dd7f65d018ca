/**
 * The operation path.probe: whether what a guest sends gets through this host. A TAP on the bridge, admitted by the firewall
 * and with NAT like a VM's, by which this process itself says what a guest would say. Nothing of it stays: what a killed
 * helper has left is known by its id, and taken away by the next one, and by the next probe.
 */
import { closeSync, readSync, writeSync } from "node:fs";
import { BangerError } from "../../base/base.ts";
import { lastFreeAddress, macOf, ProbeGuest, type ProbeStage, probeVm } from "../../net/net.ts";
import type { HelperParams, HelperResult } from "../../rpc/helper-contract.ts";
import { openTap } from "../../sys/sys.ts";
import { Locks } from "../locks.ts";
import { joinNat } from "./nat.ts";
import { attachmentsOf, type NetworkPlace, readNetwork } from "./network.ts";
import { acquireTap, releaseTap } from "./tap.ts";

/** Of the bridge, and of the name server, in ms. Less, together, than doctor waits for all of it. */
const patience = { bridge: 1200, server: 1800 } as const;
/** A frame may be lost: the port forwards a moment after it is opened, and a datagram needs not arrive. In ms. */
const again = { neighbour: 100, bridge: 250, server: 900, done: 0 } as const satisfies Record<
  ProbeStage,
  number
>;
const pauseMs = 5;
/** struct virtio_net_hdr: nothing offloaded. */
const header = Buffer.alloc(10);

const one = new Locks();
let underWay = false;

/** Then the probe's TAP is no leftover. */
export function isProbing(): boolean {
  return underWay;
}

/** One at a time: two would be the same guest. */
export function probePath(
  params: HelperParams<"path.probe">,
  place: NetworkPlace,
  signal: AbortSignal,
): Promise<HelperResult<"path.probe">> {
  return one.holding("probe", signal, () => probe(params, place, signal));
}

async function probe(
  { server }: HelperParams<"path.probe">,
  place: NetworkPlace,
  signal: AbortSignal,
): Promise<HelperResult<"path.probe">> {
  underWay = true;
  try {
    await removeProbe(place);
    const { tap, address } = await attach(place, server !== null);
    const fd = openTap(tap, false);
    try {
      const guest = new ProbeGuest({ address, mac: macOf(probeVm), gateway: place.address, server }, newId());
      return {
        bridgeMs: await reach(guest, fd, "bridge", signal),
        serverMs: await reach(guest, fd, "server", signal),
      };
    } finally {
      closeSync(fd);
    }
  } finally {
    await removeProbe(place).finally(() => {
      underWay = false;
    });
  }
}

/** Absent is success. */
export function removeProbe(place: NetworkPlace): Promise<void> {
  return releaseTap({ vm: probeVm }, place);
}

async function attach(place: NetworkPlace, nat: boolean): Promise<{ tap: string; address: string }> {
  const taken = attachmentsOf(readNetwork(place)).map((each) => each.address);
  // The last one may be about to be a waiting guest's, the first a VM's.
  const last = lastFreeAddress(place, taken);
  const address = last === undefined ? undefined : (lastFreeAddress(place, [...taken, last]) ?? last);
  if (address === undefined)
    throw new BangerError("precondition", "the bridge's subnet has no address to spare for a probe");
  const { tap } = await acquireTap({ vm: probeVm, address, mac: macOf(probeVm) }, place);
  if (nat) await joinNat(probeVm, place);
  return { tap, address };
}

function newId(): number {
  const [id = 0] = crypto.getRandomValues(new Uint16Array(1));
  return id;
}

/** Until the guest is past that stage, and how long it took, in ms; null when it did not come so far. */
async function reach(
  guest: ProbeGuest,
  fd: number,
  goal: "bridge" | "server",
  signal: AbortSignal,
): Promise<number | null> {
  const stages: readonly ProbeStage[] = goal === "bridge" ? ["neighbour", "bridge"] : ["server"];
  if (!stages.includes(guest.stage)) return null;
  const began = performance.now();
  const buffer = Buffer.alloc(65_600);
  let asked: { stage: ProbeStage; at: number } | undefined;
  while (stages.includes(guest.stage)) {
    signal.throwIfAborted();
    const now = performance.now();
    if (now - began > patience[goal]) return null;
    if (asked === undefined || asked.stage !== guest.stage || now - asked.at > again[guest.stage]) {
      asked = { stage: guest.stage, at: now };
      send(fd, guest.ask());
    }
    for (let frame = receive(fd, buffer); frame !== undefined; frame = receive(fd, buffer))
      send(fd, guest.hear(frame));
    if (stages.includes(guest.stage)) await Bun.sleep(pauseMs);
  }
  return performance.now() - began;
}

function send(fd: number, frame: Buffer | undefined): void {
  if (frame !== undefined) writeSync(fd, Buffer.concat([header, frame]));
}

/** Undefined: nothing more at this moment. */
function receive(fd: number, buffer: Buffer): Buffer | undefined {
  try {
    return buffer.subarray(header.length, readSync(fd, buffer));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EAGAIN") return undefined;
    throw error;
  }
}
