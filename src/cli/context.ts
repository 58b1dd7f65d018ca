/** Everything a command may touch. Commands know no globals, so that tests run them in-process. */
import type { Duplex, Readable, Writable } from "node:stream";
import type { Report } from "../doctor/doctor.ts";
import type { SystemStatus, Uninstalled } from "../host/host.ts";
import type { Events, Method, Params, Result } from "../rpc/contract.ts";
import type { Told, Updated, UpdateRequest } from "../update/update.ts";
import type { Style } from "./output/style.ts";
import type { WorkspaceOptions, WorkspaceSource } from "./run/workspace.ts";

export interface CallOptions<M extends Method> {
  signal?: AbortSignal;
  onEvent?: (event: Events<M>) => void;
  /** Id of the operation, for guest.resize and guest.signal; made by the client when absent. */
  op?: string;
}

/** A connection to bangerd: the part of the rpc room's client that commands use. */
export interface Daemon {
  call<M extends Method>(method: M, params: Params<M>, options?: CallOptions<M>): Promise<Result<M>>;
  /** The raw byte stream that a ticket stands for. */
  stream(ticket: string): Promise<Duplex>;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
  close(): void;
}

export type Interrupt = "SIGINT" | "SIGTERM" | "SIGHUP";

export interface Terminal {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  /** Size of the terminal that stdout (or stderr) is. */
  size(): { columns: number; rows: number };
  /** Raw mode of stdin. The terminal is given back as it was when the process ends, whatever happens. */
  setRaw(on: boolean): void;
  /** The alternate screen, without a cursor and without wrapping. It is left when the process ends, whatever happens. */
  setScreen(on: boolean): void;
  /**
   * While it is called for, Ctrl-Z's signal gives the terminal back before the process stops, and what continues it, or any other
   * that was stopped, takes it again: `give` and `take` bear repetition. `stop` does the same without a signal from outside.
   */
  onStop(give: () => void, take: () => void): { stop(): void; forget(): void };
  onResize(listener: () => void): () => void;
}

/** The daemon that commands talk to: where it is, and why it is that one. */
export interface Paths {
  mode: "user" | "system";
  reason: string;
  socket: string;
  daemonLog: string;
}

/** The system services, which have no daemon to ask: these commands are root's own work. */
export interface System {
  install(request: { owner: string; signal: AbortSignal }): Promise<void>;
  status(): Promise<SystemStatus>;
  restart(signal: AbortSignal): Promise<SystemStatus>;
  uninstall(request: { purge: boolean }): Promise<Uninstalled>;
}

export interface Context {
  /** The daemon, started when it does not run; the same connection each time. */
  client(): Promise<Daemon>;
  /** The daemon if it runs: never starts one. */
  runningClient(): Promise<Daemon | undefined>;
  paths(): Promise<Paths>;
  /** What this host has for banger, and what it lacks: found out without a daemon. */
  examine(): Promise<Report>;
  /** Runs a program to its end, with stderr for both its outputs; `banger` is this very one. Its exit status. */
  runProgram(command: readonly string[]): Promise<number>;
  /** `asRoot` is the line that a person would type with sudo; `say` is told what goes on. */
  system(asRoot: string, say: (line: string) => void): Promise<System>;
  /** To another version of banger. `asRoot` as for `system`. */
  update(request: UpdateRequest, asRoot: string, told: Told): Promise<Updated>;
  /** Checks the repository around `path`. Throws bad_repository. */
  openWorkspace(path: string, options: WorkspaceOptions): Promise<WorkspaceSource>;
  stdin: Readable;
  stdout: Writable;
  stderr: Writable;
  /** A line of result. */
  out(line: string): void;
  /** A line for the person that is said in any case: errors, warnings, questions. */
  err(line: string): void;
  /** A line for the person that `--quiet` leaves out: notices, progress, prose. */
  note(line: string): void;
  /** By `--quiet` and `--verbose`. */
  verbosity: "quiet" | "normal" | "verbose";
  /** How stderr may be coloured. */
  style: Style;
  tty: Terminal;
  /** Aborted by the first SIGINT, SIGTERM or SIGHUP that nobody has taken; `reason` is the Interrupt. */
  signal: AbortSignal;
  /** From now on interrupts go to `handler`, until the returned function is called. */
  takeInterrupts(handler: (name: Interrupt) => void): () => void;
  env: Record<string, string | undefined>;
  cwd: string;
  /** Milliseconds; only differences mean anything. */
  now(): number;
  /** Wall clock. */
  today(): Date;
  /** Calls `tick` regularly until the returned function is called; does not keep the process alive. */
  every(ms: number, tick: () => void): () => void;
  /** The program and first arguments that run this very banger again. */
  self: readonly string[];
}
