/** What a check is: data, and a pure judgement of facts. */
import type { Advice } from "./advice.ts";
import type { Facts } from "./facts.ts";
import type { Place } from "./place.ts";
import type { Verdict } from "./verdict.ts";

/** In the order in which people read them. */
export const groups = {
  machine: "This machine",
  programs: "Programs",
  storage: "Storage",
  images: "Settings and images",
  services: "Services",
  network: "Network",
  vms: "VMs",
} as const;
export type Group = keyof typeof groups;

export interface Judged<K extends keyof Facts> {
  facts: Pick<Facts, K>;
  advice: Advice;
  place: Place;
}

export interface CheckDefinition<K extends keyof Facts> {
  /** Stable: scripts and the documentation name checks by it. */
  id: string;
  group: Group;
  /** In which modes it means anything. */
  modes: readonly Place["mode"][];
  /** For docs/troubleshooting.md: what people see when it does not pass. */
  symptoms: readonly string[];
  /** For docs/troubleshooting.md: what it looks at, and why that matters. */
  meaning: string;
  /** For docs/troubleshooting.md: what to do when it does not pass. */
  cure: string;
  /** Without these it means nothing: when one has failed, this one says only so. */
  dependsOn: readonly string[];
  needs: readonly K[];
  judge(judged: Judged<K>): Verdict;
}

/** A check whose facts' types have been checked where it was written. */
export type Check = CheckDefinition<keyof Facts>;

export function defineCheck<const K extends keyof Facts>(definition: CheckDefinition<K>): Check {
  // It is judged only when all that it needs is known: see examine.ts.
  return { ...definition, judge: (judged) => definition.judge(judged) };
}

export const anywhere = ["user", "system"] as const;
