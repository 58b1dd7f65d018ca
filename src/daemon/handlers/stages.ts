/** Steps as the progress that people see. */
import type { StepEvent } from "../../pipeline/pipeline.ts";
import type { LifecycleEvent } from "../../rpc/rpc.ts";

/** Turns step events into stage events; undos are not progress. A guest that goes on from a template boots no kernel. */
export function stageObserver(
  emit: (event: LifecycleEvent) => void,
  isWarm: () => boolean = () => false,
): (event: StepEvent) => void {
  return ({ step, status, ms }) => {
    const stage = step === "agent_hello" && isWarm() ? "agent_again" : step;
    if (status === "begin") emit({ kind: "stage", stage, status });
    else if (status === "done") emit({ kind: "stage", stage, status, ...(ms === undefined ? {} : { ms }) });
  };
}
