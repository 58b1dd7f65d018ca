/** What runs of an installed banger, and has to be brought to another version of it: in system mode two services, else a daemon. */
import type { Build } from "./build.ts";

/** A call that somebody has under way; null and null for a connection without one. */
export interface UnderWay {
  method: string | null;
  op: string | null;
  ms: number;
}

export interface Services {
  mode: "system" | "user";
  /** One command at a time changes what is installed. Throws unavailable. */
  exclusively<T>(work: () => Promise<T>): Promise<T>;
  operations(): Promise<UnderWay[]>;
  /** Runs `bangerd WORD` (daemon/state-words.ts) of that program, as the user whose the database is. */
  stateTask(program: string, word: string, signal: AbortSignal): Promise<{ status: number; said: string }>;
  /** Nobody has the database open after this, until `bringUp`. */
  stop(): Promise<void>;
  /** Writes down which build is installed. */
  adopt(build: Build): Promise<void>;
  /** What runs is of that build, and answers, when this returns. */
  bringUp(program: string, build: Build, signal: AbortSignal): Promise<void>;
  /** What an update leaves to do that no failure would take it back for; each may fail. */
  afterwards(program: string): Promise<void>;
}
