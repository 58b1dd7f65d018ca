/** Steps as the progress that people see. */
import type { StepEvent } from "../../pipeline/pipeline.ts";
import type { StageEvent } from "../../rpc/rpc.ts";
import type { ColdReason } from "../../state/state.ts";
import { coldReasons } from "../../vm/vm.ts";

export interface HowStarted {
  how: "cold" | "warm" | "resumed";
  why?: ColdReason;
}

/**
 * Turns step events into stage events; undos are not progress. A guest that goes on from a template, or from where it was,
 * boots no kernel; one that boots says why, unless it could not have gone on anyway, or a warning has said it.
 */
export function stageObserver(
  emit: (event: StageEvent) => void,
  how: () => HowStarted | null = () => null,
): (event: StepEvent) => void {
  return ({ step, status, ms }) => {
    const start = step === "agent_hello" ? how() : null;
    const stage = start !== null && start.how !== "cold" ? "agent_again" : step;
    const because = start?.why !== undefined && !unsaid.has(start.why) ? coldReasons[start.why] : undefined;
    if (status === "begin") emit({ kind: "stage", stage, status, ...(because && { because }) });
    else if (status === "done") emit({ kind: "stage", stage, status, ...(ms === undefined ? {} : { ms }) });
  };
}

/** What a command in a guest begins with while its VM is being started by somebody else. */
export const stillStarting = "still_starting";

const unsaid: ReadonlySet<ColdReason> = new Set<ColdReason>(["again", "unsupported", "damaged", "failed"]);
