/** Runs that the journal says were begun and not ended: which VM they are about, and how they come to an end. */
import type { z } from "zod";
import { BangerError, type VmId } from "../base/base.ts";
import { type JournalRun, undoJournalled } from "../pipeline/pipeline.ts";
import { createSteps } from "./create-steps.ts";
import type { VmDeps } from "./deps.ts";
import { deleteSteps, type EndInput, type EndSteps, stopSteps } from "./end-steps.ts";
import { setSteps } from "./set-steps.ts";
import { startSteps } from "./start-steps.ts";
import { templateSteps } from "./template-steps.ts";

/** Undefined for a list that this version does not know. */
export function vmOf({ list, input }: JournalRun): VmId | undefined {
  switch (list) {
    case createSteps.name:
      return createSteps.input.parse(input).record.id;
    case startSteps.name:
      return startSteps.input.parse(input).id;
    case setSteps.name:
      return setSteps.input.parse(input).id;
    case templateSteps.name:
      return templateSteps.input.parse(input).record.id;
    case stopSteps.name:
    case deleteSteps.name:
      return stopSteps.input.parse(input).id;
    default:
      return undefined;
  }
}

/** Goes through a list once more, from its beginning. */
export interface Again {
  end(list: EndSteps, input: EndInput): Promise<void>;
  set(input: z.infer<typeof setSteps.input>): Promise<void>;
}

/** Undoes it, or, for lists whose steps bear repetition, has it gone through again. */
export async function recoverRun(open: JournalRun, deps: VmDeps, again: Again): Promise<void> {
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
    case templateSteps.name: {
      const { record } = templateSteps.input.parse(open.input);
      return undoJournalled(open, templateSteps, { id: record.id, deps }, options);
    }
    case stopSteps.name:
    case deleteSteps.name: {
      const list = open.list === stopSteps.name ? stopSteps : deleteSteps;
      deps.state.journal.end(open.run);
      return again.end(list, list.input.parse(open.input));
    }
    case setSteps.name:
      deps.state.journal.end(open.run);
      return again.set(setSteps.input.parse(open.input));
    default:
      throw new BangerError("corrupt", `the journal speaks of an unknown list ${open.list}`);
  }
}
