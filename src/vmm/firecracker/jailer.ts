/**
 * Who starts and ends Firecracker's process. In system mode that is the root helper, by jailer, in a directory and a
 * control group of the VM's own; without a jail it is this process (direct.ts). The driver knows only this interface,
 * and talks to Firecracker's API itself.
 */
import { join } from "node:path";
import type { ProcessIdentity } from "../../sys/sys.ts";
import type { MachineSpec } from "../vmm.ts";

/** What has to be known to start Firecracker's process, and to put files into its jail. */
export type LaunchRequest = Pick<
  MachineSpec,
  | "id"
  | "kernel"
  | "initramfs"
  | "disks"
  | "vcpu"
  | "memoryMiB"
  | "runDir"
  | "consoleLog"
  | "vmmLog"
  | "restore"
>;

/** A machine's files as Firecracker has to name them, and its directory for sockets and logs. */
export interface MachineView {
  kernel: string;
  initramfs: string;
  disks: readonly string[];
  run: string;
}

/** With the files of what it goes on from. */
export interface JailView extends MachineView {
  saved: { memory: string; state: string };
}

export interface LaunchedMachine {
  process: ProcessIdentity;
  view: MachineView;
}

/** A VM of which something is left: its process, or only what was made for it. */
export interface JailedMachine {
  id: string;
  process: ProcessIdentity | undefined;
  /** The VM's run directory, as it was when the machine was launched. */
  runDir: string;
}

export interface Jailer {
  /**
   * The names in each machine's jail, the same in all, so that a saved machine finds its files in another one. A jail has
   * device nodes of its own: this user needs no access to /dev/kvm. Absent where machines run without one.
   */
  readonly jail?: JailView;
  /**
   * Resolves when the API's socket accepts connections. On failure nothing of it is left. Throws precondition for a VM that
   * has a machine already, and leaves that alone.
   */
  launch(request: LaunchRequest, signal?: AbortSignal): Promise<LaunchedMachine>;
  /** Where this process finds what Firecracker calls `view.run`. Short, because of sockets; known after any crash. */
  runPath(runDir: string): string;
  /** Signals the VM's Firecracker, if it is this very process. Absent is success. */
  signal(id: string, process: ProcessIdentity, signal: number): Promise<void>;
  /** SIGKILL, wait, and take away all that launch made. Absent is success. */
  end(id: string): Promise<void>;
  find(id: string): Promise<JailedMachine | undefined>;
  all(): Promise<JailedMachine[]>;
}

/** Names in Firecracker's run directory. The socket of the API is given to it by whoever launches it. */
export const names = {
  api: "firecracker.socket",
  vsock: "vsock.sock",
  log: "firecracker.log",
  metrics: "metrics.json",
  /** What a machine that is being saved writes. */
  memory: "memory",
  state: "state",
} as const;

export function runFiles(directory: string): Record<keyof typeof names, string> {
  return {
    api: join(directory, names.api),
    vsock: join(directory, names.vsock),
    log: join(directory, names.log),
    metrics: join(directory, names.metrics),
    memory: join(directory, names.memory),
    state: join(directory, names.state),
  };
}
