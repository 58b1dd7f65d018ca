/** Runs that the journal says were begun and not ended: which VM they are about, and how they come to an end. */
import { BangerError, type VmId } from "../base/base.ts";
import { type JournalRun, undoJournalled } from "../pipeline/pipeline.ts";
import { createSteps } from "./create-steps.ts";
import type { VmDeps } from "./deps.ts";
import { deleteSteps, type EndInput, type EndSteps, stopSteps } from "./end-steps.ts";
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

/** Undoes it, or, for lists that end a VM, has it gone through again. */
export async function recoverRun(
  open: JournalRun,
  deps: VmDeps,
  again: (list: EndSteps, input: EndInput) => Promise<void>,
): Promise<void> {
  const options = { journal: deps.state.journal, failpoint: deps.failpoint };
  switch (open.list) {
    case createSteps.name: {
      const { record } = createSteps.input.parse(open.input);
      return undoJournalled(open, createSteps, { id: record.id, deps }, options);
    }
    case startSteps.name: {
      const { id } = startSteps.input.parse(open.input);
      return undoJournalled(open, startSteps, { id, deps }, options);
    }
    case stopSteps.name:
    case deleteSteps.name: {
      const list = open.list === stopSteps.name ? stopSteps : deleteSteps;
      deps.state.journal.end(open.run);
      return again(list, list.input.parse(open.input));
    }
    default:
      throw new BangerError("corrupt", `the journal speaks of an unknown list ${open.list}`);
  }
}
