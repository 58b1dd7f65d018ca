/** From a snapshot of facts to verdicts: pure. */
import type { Advice } from "./advice.ts";
import { type Check, groups } from "./check.ts";
import type { FactName, Facts, Snapshot } from "./facts.ts";
import type { Place } from "./place.ts";
import { skip, type Verdict, warn } from "./verdict.ts";

export interface Result extends Verdict {
  id: string;
  /** Its title. */
  group: string;
}

/** In the checks' order. Whoever depends on what has failed is skipped, so that consequences do not drown their cause. */
export function judgeAll(
  checks: readonly Check[],
  snapshot: Partial<Snapshot>,
  advice: Advice,
  place: Place,
): Result[] {
  const results: Result[] = [];
  /** Those that have failed, and those that were not looked at because of them. */
  const lost = new Set<string>();
  for (const check of checks) {
    const cause = check.dependsOn.find((id) => lost.has(id));
    const verdict =
      cause === undefined
        ? judgeOne(check, snapshot, advice, place)
        : skip(`not looked at, because of ${cause}`);
    if (cause !== undefined || verdict.state === "fail") lost.add(check.id);
    results.push({ id: check.id, group: groups[check.group], ...verdict });
  }
  return results;
}

function judgeOne(check: Check, snapshot: Partial<Snapshot>, advice: Advice, place: Place): Verdict {
  const facts: Partial<Facts> = {};
  for (const name of check.needs) {
    const fact = snapshot[name];
    if (fact === undefined) return skip(`nobody has looked at ${name}`);
    if (!fact.known) {
      const evidence = { looked: name, found: fact.why };
      return fact.kind === "late"
        ? warn(`not known: ${fact.why}`, [], evidence)
        : skip(`not known: ${fact.why}`, evidence);
    }
    put(facts, name, fact.value);
  }
  // All that it needs is there: that is what the loop has seen to.
  return check.judge({ facts: facts as Facts, advice, place });
}

function put<K extends FactName>(facts: Partial<Facts>, name: K, value: Facts[FactName]): void {
  facts[name] = value as Facts[K];
}
