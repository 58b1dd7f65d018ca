/** What the vm room needs from the rooms below it; composed once, by the daemon. */
import type { Duplex } from "node:stream";
import type { VmId } from "../base/base.ts";
import type { DiskReserve, RootDiskStrategy } from "../disk/disk.ts";
import type { GuestSession, SshTarget } from "../guest/guest.ts";
import type { Failpoint } from "../pipeline/pipeline.ts";
import type { State, VmRecord } from "../state/state.ts";
import type { VmmDriver } from "../vmm/vmm.ts";
import type { Checkpoints, Templates } from "../warm/warm.ts";
import type { HostDevices } from "./devices.ts";
import type { FileSync } from "./file-sync.ts";
import type { VmPaths } from "./layout.ts";
import type { Runtimes } from "./runtime.ts";
import type { Happened } from "./tell.ts";
import type { Workspaces } from "./workspaces.ts";

/** Everything bootable about one image and its kernel, already in the store. */
export interface BootSource {
  image: { id: string; name: string };
  kernel: { id: string; name: string };
  /** Read-only ext4, never written. */
  rootfs: string;
  vmlinux: string;
  initramfs: string;
  cmdline: readonly string[];
  /** What /root begins with: a directory, or a whole work disk; undefined = nothing. */
  workSeed: string | undefined;
}

export interface VmLog {
  debug(message: string, facts?: Record<string, unknown>): void;
  info(message: string, facts?: Record<string, unknown>): void;
  warn(message: string, facts?: Record<string, unknown>): void;
  error(message: string, facts?: Record<string, unknown>): void;
}

export interface VmDeps {
  state: State;
  driver: VmmDriver;
  paths: VmPaths;
  /** The boot source of a VM that exists. Throws corrupt or not_found when its image or kernel is damaged or gone. */
  bootSource(imageId: string, kernelId: string): Promise<BootSource>;
  rootDiskStrategy: RootDiskStrategy;
  /** Public keys that may log in to every guest. */
  authorizedKeys(): Promise<readonly string[]>;
  devices: HostDevices;
  /** What of the user's files each new VM gets; absent: nothing. */
  fileSync?: FileSync;
  /** Space for writing down that VMs end, when the disk is full. */
  reserve: DiskReserve;
  runtimes: Runtimes;
  workspaces: Workspaces;
  openSession(stream: Duplex, signal: AbortSignal): Promise<GuestSession>;
  /** Its sshd, for when its agent does not answer; undefined where no network leads to the guest. */
  sshTarget?(vm: VmRecord): SshTarget | undefined;
  /** What new VMs go on from; undefined when the user wants none of it. */
  templates?: Templates | undefined;
  /** Memory and frozen disks of VMs: what forks, snapshots and suspended VMs go on from. */
  checkpoints: Checkpoints;
  /** For how long nothing must have gone on before one is made, in ms; for tests. */
  templateQuietMs?: number;
  /** For how long nobody must have used a VM before it is suspended, in ms; 0 or absent: never. */
  suspendAfterMs?: number;
  /** For how long nobody must have used a VM before it is stopped, in ms; 0 or absent: never. */
  stopAfterMs?: number;
  /** Hears of what happens to VMs and templates. */
  happened?: Happened | undefined;
  /** One VM like the last one is made in advance, if its driver can halt machines. */
  spare?: boolean;
  /** For how long nothing must have gone on before that is done, and for how long it then waits, in ms; for tests. */
  spareQuietMs?: number;
  spareWaitMs?: number;
  /** For how long a template's guest is left alone before it is saved, in ms; for tests. */
  templateIdleMs?: number;
  log: VmLog;
  /** Called at named points of every step list; the kill matrix stops the process there. */
  failpoint?: Failpoint | undefined;
}

/** What every step of a VM's lists gets. */
export interface VmContext {
  id: VmId;
  deps: VmDeps;
  /** Tells the caller what does not go as it should, though it goes. */
  warn?: ((message: string) => void) | undefined;
}

/** How long things may take, in ms. Generous, because software emulation is 10 to 50 times slower than KVM. */
export const limits = {
  agentHello: 120_000,
  guestReady: 180_000,
  /** Everything that happens in a template's guest, at the lowest priority. */
  template: 900_000,
  /** Of a guest that is made in advance, to run its first command. */
  spare: 60_000,
  /** A guest that goes on is there at once, or never. */
  restoredHello: 15_000,
  restoredPersonalise: 30_000,
  orderlyStop: 30_000,
  /** Of the VMM, to halt or to go on. */
  resume: 10_000,
  /** The same for one that may be writing its memory to the disk, and has to come to an end with that. */
  resumeSaved: 25_000,
  /** Of a fork's guest, to start its journal anew. */
  renewal: 30_000,
  /** Of a guest that is to be saved, to answer. */
  knock: 15_000,
  /** Of a guest, to write to its disks what is in its caches. */
  sync: 30_000,
  /** Of a guest, to take the time. */
  setClock: 10_000,
  reattach: 15_000,
  /** How long the agent is asked alone before ssh is tried beside it; less where ssh was the way before. */
  agentAlone: 5_000,
  agentAloneAgain: 1_000,
  /** Of one attempt by ssh: 20 s were too few for an emulated guest on a busy machine. */
  ssh: 60_000,
  vmmTerm: 5_000,
} as const;
