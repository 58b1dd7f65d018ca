/**
 * The guest room: the only way anything in banger talks to a guest.
 *
 * Owns the agent protocol (native/agent/ is its other end, docs/agent-protocol.md its description), the session on top of
 * it, and the session over ssh that takes its place when the agent does not answer. Promises: everything a guest sends is bounded and parsed; a guest that lies, floods or falls silent ends
 * its own session and nothing else. Never knows which VMM carries the bytes, and never touches the host's files.
 */
import type { Duplex, Readable, Writable } from "node:stream";
import type { BangerError } from "../base/base.ts";

/** What to run in a guest. Strings are passed as they are: no shell between caller and guest. */
export interface ExecRequest {
  argv: readonly string[];
  /** Added to the guest's base environment (PATH, HOME, USER, SHELL, LANG); not replacing it. */
  env?: Readonly<Record<string, string>>;
  /** Absolute directory in the guest; default /root. A missing one fails the exec with status 126 and a message. */
  cwd?: string;
  /**
   * `user`, `user:group`, or numbers, as in a container image's configuration; default: root, without a look at the guest's
   * files. One that the guest does not know fails the exec with status 126 and a message.
   */
  user?: string;
  /** Present = run on a new pseudo terminal of this size; stdout then carries the terminal and stderr is empty. */
  tty?: { columns: number; rows: number; term: string };
  /** When the command may start: `agent` = at once, `basic` = when the guest has reached basic.target. Default basic. */
  after?: "agent" | "basic";
}

/** A running command. Streams have backpressure across the guest boundary and half-close each way. */
export interface GuestProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  resize(columns: number, rows: number): void;
  /** A signal number, delivered to the command's process group. */
  signal(signal: number): void;
  /** 0-255; 128+n for death by signal n; 127 not found, 126 not executable. Rejects when the session is lost. */
  readonly exit: Promise<number>;
}

/** A file that personalise writes into the guest's root file system, through no symlink. */
export interface GuestFile {
  path: string;
  mode: number;
  content: Uint8Array;
}

/** Everything that makes a guest this VM and no other. Applied before systemd starts, and to restored guests. */
export interface Personality {
  hostname: string;
  /** 32 hex digits. */
  machineId: string;
  /** Static IPv4 of the guest's first network device; absent = loopback only. */
  network?: { address: string; prefix: number; gateway?: string; mac?: string };
  /** Files to write: host keys, authorized keys, hosts, resolv.conf, drop-ins. Parents are made 0755 root. */
  files: readonly GuestFile[];
  /** `host`: the wall clock is set by this host's, before anything else. */
  clock: "host" | "keep";
  /** At least 32 bytes, credited to the guest's entropy pool. */
  entropy: Uint8Array;
}

export interface GuestHello {
  /** Version of the agent protocol; the session refuses one it does not speak. */
  protocol: number;
  /** Version of banger that the agent was built from. */
  agentVersion: string;
  /** The guest kernel's boot id: tells a reconnect from a reboot. */
  bootId: string;
  kernelRelease: string;
  /** True once personalise has been done since boot. */
  personalised: boolean;
  /** True once basic.target has been reached. */
  basicReached: boolean;
  /** False of an agent of an older banger, and by ssh: there every command is root's. */
  runsAsUsers: boolean;
}

export interface ListeningPort {
  protocol: "tcp" | "udp";
  address: string;
  port: number;
  /** Command name of the listener, escaped for a terminal; empty when unknown. */
  process: string;
}

export interface GuestStats {
  uptimeSeconds: number;
  load: readonly [number, number, number];
  memoryTotalBytes: number;
  memoryAvailableBytes: number;
  rootTotalBytes: number;
  rootFreeBytes: number;
  workTotalBytes: number;
  workFreeBytes: number;
  processes: number;
}

/** One live conversation with one guest. */
export interface GuestSession {
  /** By what it goes. */
  readonly channel: "agent" | "ssh";
  readonly hello: GuestHello;
  /** Settles when the stream ends or the guest breaks the protocol; never rejects. */
  readonly closed: Promise<{ reason: string }>;
  /**
   * Resolves at once while the guest was heard of a moment ago, or while it has other work; else it is asked. A guest that
   * does not answer then ends the session, and this rejects: nothing has been begun that could happen twice.
   */
  answering(): Promise<void>;
  /** Resolves when the guest has reached basic.target; rejects when the session ends first. */
  ready(signal?: AbortSignal): Promise<void>;
  exec(request: ExecRequest, signal?: AbortSignal): Promise<GuestProcess>;
  personalise(personality: Personality, signal?: AbortSignal): Promise<void>;
  /**
   * Unpacks a tar stream below `root` in the guest, following no links and leaving the root directory never. Creates
   * `root`. Resolves when the guest has written everything; rejects with the guest's reason.
   */
  unpack(root: string, tar: Readable, signal?: AbortSignal): Promise<{ files: number; bytes: number }>;
  /** A tar stream of `path` (a file or a tree) in the guest. Errors in the guest end the stream with an error. */
  pack(path: string, signal?: AbortSignal): Promise<Readable>;
  /** A stream to a TCP port on the guest's loopback, or to a unix socket in the guest. */
  connect(target: { port: number } | { path: string }, signal?: AbortSignal): Promise<Duplex>;
  ports(signal?: AbortSignal): Promise<ListeningPort[]>;
  stats(signal?: AbortSignal): Promise<GuestStats>;
  /** Round trip through the agent's main loop; by ssh, through a shell. */
  ping(signal?: AbortSignal): Promise<void>;
  /** Sets the guest's wall clock to the host's. Rejects where the guest's agent is of an older banger. */
  setClock(signal?: AbortSignal): Promise<void>;
  /**
   * Unmounts the work disk and has the guest's kernel forget what it has read of it: the host may then replace its content.
   * Rejects when something in the guest uses it, which leaves it as it was; and by ssh, always.
   */
  releaseWorkDisk(signal?: AbortSignal): Promise<void>;
  /** Mounts a work disk that was released. */
  takeWorkDisk(signal?: AbortSignal): Promise<void>;
  /** While the machine is paused: that its guest is silent then means nothing. */
  rest(paused: boolean): void;
  /** sync(2) in the guest, then an orderly or immediate power-off. Resolves when the guest has acknowledged the sync. */
  powerOff(how: "systemd" | "immediate", signal?: AbortSignal): Promise<void>;
  /** How many commands, transfers and connections are open by way of it. */
  readonly openStreams: number;
  /** Ends the session on this side; the guest keeps running. What is open in it hears `why`. */
  close(why?: BangerError): void;
}

export { openAgentSession } from "./agent-session.ts";
export { openSession, type Patience } from "./open-session.ts";
export type { SshTarget } from "./ssh-target.ts";
