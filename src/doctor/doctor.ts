/**
 * The doctor room: what this host has for banger, and what it lacks.
 *
 * Owns the table of checks, the probes of facts that they judge, and the remedies of each distribution. Promises: it
 * changes nothing that stays (fixes are data, which its caller may run; the root helper makes a TAP for a moment), starts no
 * daemon and needs none, needs no root, and answers within a few seconds whatever hangs.
 * Rooms are asked by their own probes: none is written twice. Never knows how it is shown.
 */
import { BangerError, toBangerError } from "../base/base.ts";
import { adviceFor } from "./advice.ts";
import { checks } from "./checks.ts";
import { type Conclusion, conclude } from "./conclusion.ts";
import { parseDistribution } from "./distribution.ts";
import { gather, probeLimitMs, readOsRelease } from "./facts.ts";
import { judgeAll, type Result } from "./judge.ts";
import { thisPlace } from "./place.ts";

export interface Report {
  distribution: { family: string; name: string };
  mode: "user" | "system";
  /** Why this mode: one sentence. */
  modeReason: string;
  results: readonly Result[];
  conclusion: Conclusion;
}

/** Never rejects for what is wrong with the host: that is what it tells. Throws cancelled. */
export async function examine(
  env: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<Report> {
  const [place, osRelease] = await Promise.all([thisPlace(env), readOsRelease()]);
  const distribution = parseDistribution(osRelease);
  const wanted = checks.filter(({ modes }) => modes.includes(place.mode));
  const names = [...new Set(wanted.flatMap(({ needs }) => needs))];
  const snapshot = await gather(place, names, { limitMs: probeLimitMs, signal });
  if (signal.aborted) throw new BangerError("cancelled", "cancelled");
  const results = judgeAll(wanted, snapshot, adviceFor(distribution, place.uid === 0), place);
  return {
    distribution,
    mode: place.mode,
    modeReason: place.problem === undefined ? place.reason : toBangerError(place.problem).message,
    results,
    conclusion: conclude(results),
  };
}

export type { Conclusion } from "./conclusion.ts";
export type { Result } from "./judge.ts";
export { troubleshooting } from "./reference.ts";
export type { Evidence, Fix, State } from "./verdict.ts";
