/**
 * The VMM room: starts, watches and ends virtual machine monitors behind one driver interface.
 *
 * Owns VMM processes and their sockets inside a VM's run directory. Promises: a machine is found again after the daemon
 * was killed, by an identity that no foreign process can have; nothing outside this room asks which driver it talks to
 * (capabilities are data). Never knows images, networks' policy, VM rows or guests' protocols.
 */
import type { Duplex } from "node:stream";

/** A process that cannot be confused with another: pids are reused, also across reboots. */
export interface ProcessIdentity {
  pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks after boot. */
  startTicks: number;
  /** /proc/sys/kernel/random/boot_id. */
  bootId: string;
}

export interface DiskAttachment {
  /** A file, or a block device. */
  path: string;
  format: "raw" | "qcow2";
  readOnly: boolean;
}

/** Everything a driver needs to start one machine. All paths are absolute and exist, except those in `runDir`. */
export interface MachineSpec {
  /** The VM's id: carried by the process (QEMU -uuid) so that it is recognisable as banger's. */
  id: string;
  name: string;
  vcpu: number;
  memoryMiB: number;
  kernel: string;
  initramfs: string;
  /** Complete kernel command line, without what the driver itself must add (console device, pci=off). */
  cmdline: readonly string[];
  /** In order: the first is /dev/vda (root), the second /dev/vdb (/root). */
  disks: readonly DiskAttachment[];
  /** `none` = a device with no way out; `nat` = user-mode or bridged egress, as the driver can. */
  egress: "none" | "nat";
  /** A TAP device that the guest's network device is put on; without it a driver makes its own network, as far as it can. */
  network?: { tap: string; mac: string };
  /** A short directory (socket paths have at most 107 bytes), 0700, this VM's own; sockets and the pid file go here. */
  runDir: string;
  /**
   * The guest's memory is to be this file of memoryMiB. `make`: it is made, by the start (what the guest writes goes into
   * it) or by a `save`. `map`: the file is there and stays as it is; pages that the guest writes are copied for it, all others are shared by all who
   * map the file. Absent: memory of the process's own. For drivers that can save and restore.
   */
  memory?: { path: string; use: "make" | "map" };
  /** Go on from this saved state, with the memory that was saved with it (`map`), instead of booting. */
  restore?: {
    state: string;
    /** It was halted when it was saved (as a checkpoint is): it is to run all the same. */
    halted?: true;
  };
  /** The console's log is appended to this file. */
  consoleLog: string;
  /** What the VMM itself prints goes here. */
  vmmLog: string;
}

/** A machine's memory and state as files, with its disks as they were at that moment. */
export interface CheckpointRequest {
  /**
   * A machine of the same kind, which takes the memory, for drivers that need one: with an id, and files, of its own. Nothing
   * of it is left.
   */
  receiver: MachineSpec;
  /** Made. */
  to: { state: string; memory: string };
  /**
   * One for each disk: an empty qcow2 layer over the file that the disk is now, in which it goes on from that moment. None: it
   * stays. For drivers whose disks are frozen by layers.
   */
  layers: readonly string[];
  /**
   * Called while the machine stands still, when its memory is saved: from that moment until this resolves nothing is written
   * to its disks. For drivers whose disks are frozen by copies. When it rejects, so does the checkpoint.
   */
  whenHalted?: () => Promise<void>;
}

/** What is written to the journal when a machine has been started: enough to find it again. Serialisable. */
export interface MachineHandle {
  driver: string;
  process: ProcessIdentity;
  runDir: string;
}

export interface DriverCapabilities {
  /** Processors that a machine can have; absent where that is no fewer than banger gives any. */
  maxVcpus?: number;
  /** The driver can use a copy-on-write file in front of a read-only base (see the disk room). */
  qcow2: boolean;
  userModeNetwork: boolean;
  /** `save` and `stateKey` are there, and `start` takes `memory` and `restore`. */
  saveRestore: boolean;
  /**
   * How the disks of a machine become those of a checkpoint. `layers`: they stay as they are, and the machine goes on in layers
   * over them. `copies`: they are copied while it stands still.
   */
  frozenDisks: "layers" | "copies";
  /** Connections with its guest's agent outlive a checkpoint of a machine; else they have ended, and new ones are to be had. */
  keepsConnections: boolean;
}

export interface DriverProbe {
  driver: string;
  usable: boolean;
  /** `kvm` only when a guest really runs with it, not because /dev/kvm is there. */
  acceleration: "kvm" | "tcg" | "none";
  version: string;
  /** Why it is not usable, or why it is slower than it could be; one sentence. */
  reason?: string;
  hint?: string;
}

export interface VmmDriver {
  readonly name: string;
  readonly capabilities: DriverCapabilities;
  /** Kernel modules by which a guest finds its disks, its network and the way to its agent; those built in are skipped. */
  readonly guestModules: readonly string[];
  probe(signal?: AbortSignal): Promise<DriverProbe>;
  /**
   * Returns when the VMM answers on its control socket; with `restore`, when the guest runs. On failure nothing of it is
   * left, but for files outside of `runDir`: logs, and memory that was to be made.
   */
  start(spec: MachineSpec, signal?: AbortSignal): Promise<MachineHandle>;
  /** The machine of this VM that runs on this host, whether or not a handle was ever recorded; undefined when none. */
  find(id: string, runDir: string): Promise<MachineHandle | undefined>;
  /** Every machine of this driver whose files are in `runDir`, known or not: for clearing up after a lost database. */
  findIn(runDir: string): Promise<MachineHandle[]>;
  /** True while the very process of the handle lives. */
  alive(handle: MachineHandle): Promise<boolean>;
  /** Resolves when the process is gone; at once when it is. */
  exited(handle: MachineHandle, signal?: AbortSignal): Promise<void>;
  /** The byte stream to the guest agent. One at a time. */
  agentStream(handle: MachineHandle, signal?: AbortSignal): Promise<Duplex>;
  /** Signals the very process (by pidfd), never another one that has its number. Absent is success. */
  signal(handle: MachineHandle, signal: number): Promise<void>;
  /** Halts the guest's processors. One that is halted already is success. */
  pause?(handle: MachineHandle, signal?: AbortSignal): Promise<void>;
  /** Lets a machine go on, whatever halted it: a pause, or something of ours that was cut short. One that runs is success. */
  resume?(handle: MachineHandle, signal?: AbortSignal): Promise<void>;
  /**
   * Asks a guest whose agent does not answer to end in order, as a key press would. Only where the VMM can, and where a
   * guest that restarts ends its machine. Resolves when the guest has been asked.
   */
  pressPowerButton?(handle: MachineHandle, signal?: AbortSignal): Promise<void>;
  /**
   * Pauses a machine that was started to have its memory in `to.memory`, and writes the state of its devices. Then both files
   * are complete, its disks are as the guest left them, and the machine is to be killed. So it is when this fails or is
   * cancelled: there is no state file then, and whether the guest is paused depends on how far it came.
   */
  save?(handle: MachineHandle, to: { state: string; memory: string }, signal?: AbortSignal): Promise<void>;
  /**
   * Writes the machine's memory and the state of its devices while it runs, and halts it only for the last of it. When this
   * fails or is cancelled the machine runs on, and its disks may or may not go on in their layers. One that was halted
   * before stays so. After a kill of this process `resume` lets it go on.
   */
  checkpoint?(
    handle: MachineHandle,
    request: CheckpointRequest,
    signal?: AbortSignal,
  ): Promise<{ haltedMs: number }>;
  /**
   * All that a saved state depends on but the contents of kernel, initramfs and disks: one that was saved under the same
   * words can be restored under them. Neither the machine's name, nor where its files are, nor its egress or its TAP matters.
   * Undefined where this version of the VMM cannot save and restore.
   */
  stateKey?(spec: MachineSpec): Promise<Record<string, string> | undefined>;
  /** SIGKILL, wait, and remove what the driver put in runDir. Absent is success. */
  kill(handle: MachineHandle): Promise<void>;
}

export { findProgram } from "./find-program.ts";
export { directJailer } from "./firecracker/direct.ts";
export { type FirecrackerOptions, firecrackerDriver } from "./firecracker/driver.ts";
export type {
  JailedMachine,
  Jailer,
  JailView,
  LaunchedMachine,
  LaunchRequest,
} from "./firecracker/jailer.ts";
export { probeFirecracker } from "./firecracker/probe.ts";
export {
  followsLinks,
  judgeVersion,
  newestTested,
  oldest,
  parseVersion,
  type VersionVerdict,
} from "./firecracker/version.ts";
export { type KvmObstacle, kvmObstacle } from "./kvm.ts";
export { listens } from "./listener.ts";
export { lastLines } from "./log-tail.ts";
export { qemuDriver } from "./qemu/driver.ts";
export { probeQemu } from "./qemu/probe.ts";
export { longestSocketPath } from "./socket-path.ts";
