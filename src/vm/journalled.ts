/** Which VM a run in the journal is about. */
import type { VmId } from "../base/base.ts";
import type { JournalRun } from "../pipeline/pipeline.ts";
import { createSteps } from "./create-steps.ts";
import { deleteSteps, stopSteps } from "./end-steps.ts";
import { startSteps } from "./start-steps.ts";

/** Undefined for a list that this version does not know. */
export function vmOf({ list, input }: JournalRun): VmId | undefined {
  switch (list) {
    case createSteps.name:
      return createSteps.input.parse(input).record.id;
    case startSteps.name:
      return startSteps.input.parse(input).id;
    case stopSteps.name:
    case deleteSteps.name:
      return stopSteps.input.parse(input).id;
    default:
      return undefined;
  }
}
