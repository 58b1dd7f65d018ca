/** Steps as the progress that people see. */
import type { StepEvent } from "../../pipeline/pipeline.ts";
import type { LifecycleEvent } from "../../rpc/rpc.ts";

/** Turns step events into stage events; undos are not progress. */
export function stageObserver(emit: (event: LifecycleEvent) => void): (event: StepEvent) => void {
  return ({ step, status, ms }) => {
    if (status === "begin") emit({ kind: "stage", stage: step, status });
    else if (status === "done")
      emit({ kind: "stage", stage: step, status, ...(ms === undefined ? {} : { ms }) });
  };
}
