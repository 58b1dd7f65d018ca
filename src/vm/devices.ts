/**
 * What a machine needs of its host beside files: made for each start, taken away at each end. Everything is derived from
 * the VM's id, so that what a crash left is found without a record.
 */
import { z } from "zod";
import { BangerError, type VmId } from "../base/base.ts";
import type { VmRecord } from "../state/state.ts";

export const RootAttachment = z.strictObject({ path: z.string(), format: z.enum(["raw", "qcow2"]) });
export type RootAttachment = z.infer<typeof RootAttachment>;

/** The guest's place in a network, as personalise tells it, and the device on the host's side where there is one. */
export const Network = z.strictObject({
  address: z.string(),
  prefix: z.int(),
  gateway: z.string(),
  /** Name server that answers a guest with NAT. */
  dns: z.string(),
  link: z.strictObject({ tap: z.string(), mac: z.string() }).nullable(),
});
export type Network = z.infer<typeof Network>;

export interface LayerUse {
  usedBytes: number;
  totalBytes: number;
  /** It has run full: the disk is lost. */
  overflowed: boolean;
}

/** Since the link was made, as the guest sees it. */
export interface Traffic {
  receivedBytes: number;
  sentBytes: number;
}

export interface HostDevices {
  /** An address for a new VM beside those that are taken; null where every guest has a network of its own. */
  address(taken: readonly string[]): string | null;
  /**
   * For a guest that nobody uses, as long as no VM wants it: null where it could only be the next VM's, or where every guest
   * has a network of its own.
   */
  spareAddress(taken: readonly string[]): string | null;
  /**
   * What the driver is to use as the root disk. `goesOn`: a guest is to go on that has it mounted, so that it must stay as
   * it is; else it may be repaired.
   */
  attachRoot(vm: VmRecord, options: { goesOn: boolean }): Promise<RootAttachment>;
  /** Absent is success. */
  detachRoot(id: VmId): Promise<void>;
  /** What a machine that runs has written to its root disk is in the VM's own file, and on the disk. */
  flushRoot(id: VmId): Promise<void>;
  /** How full the root disk's layer is; undefined where that cannot be, or is not known. */
  layerOf(id: VmId): Promise<LayerUse | undefined>;
  /** Null for a guest without a network device. */
  connect(vm: VmRecord): Promise<Network | null>;
  /** Whether a VM's egress can change while it runs. */
  readonly liveEgress: boolean;
  setEgress(id: VmId, on: boolean): Promise<void>;
  /** Absent is success. */
  disconnect(id: VmId): Promise<void>;
  /** What has gone over VMs' links, by id; absent where the host has none. */
  traffic?(): Promise<ReadonlyMap<string, Traffic>>;
  /** The VMs, known or not, of which any of this is there. */
  present(): Promise<VmId[]>;
}

/** The guest's side of QEMU's user-mode network: the same in every VM, because each has a network of its own. */
export function vmmNetwork(dns = "10.0.2.3"): Network {
  return { address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2", dns, link: null };
}

/** User mode: disks are files, a network, if there is one, is in the VMM's own process; the host has nothing to lend. */
export function noDevices(network: Network | null): HostDevices {
  return {
    address: () => null,
    spareAddress: () => null,
    attachRoot: async ({ name, rootDisk }) => {
      if (rootDisk === null) throw new BangerError("corrupt", `VM ${name} has no root disk on record`);
      return { path: rootDisk.path, format: rootDisk.format };
    },
    detachRoot: async () => {},
    // The machine has the file itself open.
    flushRoot: async () => {},
    layerOf: async () => undefined,
    connect: async () => network,
    liveEgress: false,
    setEgress: async () => {},
    disconnect: async () => {},
    present: async () => [],
  };
}
