/** What a check says of the host. */

export type State = "pass" | "warn" | "fail" | "skip";

/** What was looked at, and what was found there. */
export interface Evidence {
  looked: string;
  found: string;
}

/** A remedy that loses nothing and that a program may apply: see `banger doctor --fix`. */
export interface Fix {
  /** Its words; `banger` is this very program. */
  command: readonly string[];
  /** As this user types it. */
  line: string;
  /** False when it is root's to run, and this is not root. */
  possible: boolean;
}

export interface Verdict {
  /** `warn`: it works, but not as well as it could, or not for long. `fail`: something that people ask for does not work. */
  state: State;
  /** One line. */
  summary: string;
  evidence: readonly Evidence[];
  /** What to do about it, step by step: command lines to paste, and sentences where there is none. */
  remedy: readonly string[];
  fixes: readonly Fix[];
}

export function pass(summary: string, ...evidence: Evidence[]): Verdict {
  return { state: "pass", summary, evidence, remedy: [], fixes: [] };
}

export function skip(summary: string, ...evidence: Evidence[]): Verdict {
  return { state: "skip", summary, evidence, remedy: [], fixes: [] };
}

export function warn(summary: string, remedy: readonly string[], ...evidence: Evidence[]): Verdict {
  return { state: "warn", summary, evidence, remedy, fixes: [] };
}

export function fail(summary: string, remedy: readonly string[], ...evidence: Evidence[]): Verdict {
  return { state: "fail", summary, evidence, remedy, fixes: [] };
}

export function fixable(verdict: Verdict, ...fixes: readonly Fix[]): Verdict {
  return { ...verdict, fixes };
}
