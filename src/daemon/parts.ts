/** The parts a daemon is made of, as its handlers see them. */
import type { VmSpec } from "../base/base.ts";
import type { Config, SpecDefaults } from "../config/config.ts";
import type { DaemonStatus, LifecycleEvent } from "../rpc/rpc.ts";
import type { State } from "../state/state.ts";
import type { BootSource, HostDevices, Runtimes, VmLog, VmPaths, VmService, Workspaces } from "../vm/vm.ts";
import type { Templates } from "../warm/warm.ts";
import type { ImageShelf } from "./image-shelf.ts";
import type { Happenings } from "./lifecycle/happenings.ts";
import type { Names } from "./names/names.ts";

export interface ProgressContext {
  signal: AbortSignal;
  emit(event: LifecycleEvent): void;
}

export interface Parts {
  config: Config;
  /** Whether the file says something else by now. */
  configChanged(): boolean;
  state: State;
  log: VmLog;
  paths: { vm: VmPaths; checkpoints: string; config: string; daemonLog: string };
  vms: VmService;
  runtimes: Runtimes;
  workspaces: Workspaces;
  devices: HostDevices;
  images: ImageShelf;
  templates: Templates;
  /** What happens, for those who follow it. */
  happenings: Happenings;
  names: Names;
  boot: {
    /** The boot source of a catalog or stored image, building what is not there yet. */
    ensure(imageName: string, ctx: ProgressContext): Promise<BootSource>;
    /** The same, but an image that was made by an older recipe, or lacks what can be had by now, is made anew. */
    renew(imageName: string, ctx: ProgressContext): Promise<BootSource>;
  };
  defaults(): SpecDefaults;
  /** What a person should know before a VM of this size is made: it is allowed, but may not fit. */
  spaceWarnings(spec: VmSpec): Promise<string[]>;
  ssh: {
    /** The private key that opens every guest; made when there is none. */
    identityFile(): Promise<string>;
    /** All VMs' host keys, each under its name. */
    knownHosts: string;
  };
  status(): Promise<DaemonStatus>;
  /** Ends the daemon after the answer has been sent; VMs keep running. */
  stop(): void;
}
