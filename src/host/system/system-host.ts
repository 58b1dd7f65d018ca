/** What the installation needs of the world beside files: tests give it a fake one. */
import type { Places } from "./places.ts";
import type { Systemd } from "./systemd.ts";

export interface Answer {
  version: string;
  commit: string;
  pid: number;
}

/** What the daemon says of the machines it can run. */
export interface DriverFacts {
  driver: string;
  driverUsable: boolean;
  acceleration: string;
  /** Null where there is nothing to say. */
  driverReason: string | null;
  driverHint: string | null;
}

export interface SystemHost {
  places: Places;
  systemd: Systemd;
  /** This process's. */
  uid: number;
  /** The line that a person without root's rights types instead. */
  asRoot: string;
  lookUpUser(name: string): Promise<string | undefined>;
  /** What a daemon says on its socket; undefined when nobody answers there. Throws denied when this user may not ask. */
  ping(socket: string): Promise<Answer | undefined>;
  /** Names of the VMs that run, as the daemon knows them; undefined when it does not answer. */
  runningVms(): Promise<string[] | undefined>;
  /** Undefined when the daemon does not answer. */
  driver(): Promise<DriverFacts | undefined>;
  /** Takes everything of banger's out of the kernel; the services have been stopped. */
  clearKernel(): Promise<void>;
  now(): Date;
  /** A line about what is being done. */
  say(line: string): void;
}
