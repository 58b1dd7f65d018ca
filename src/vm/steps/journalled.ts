/** Runs that the journal says were begun and not ended: which VM they are about, and how they come to an end. */
import { BangerError, type VmId } from "../../base/base.ts";
import { type JournalRun, type StepList, undoJournalled } from "../../pipeline/pipeline.ts";
import type { VmContext, VmDeps } from "../deps.ts";
import { checkpointSteps } from "./checkpoint.ts";
import { createSteps } from "./create.ts";
import { deleteSteps, stopSteps } from "./end.ts";
import { forkSteps } from "./fork.ts";
import { pauseSteps, resumeSteps } from "./pause.ts";
import { setSteps } from "./set.ts";
import { prepareSteps, restoreSteps, snapshotSteps } from "./snapshot.ts";
import { spareSteps } from "./spare.ts";
import { startSteps } from "./start.ts";
import { suspendedSteps, suspendSteps } from "./suspend.ts";
import { templateSteps } from "./template.ts";

/** Goes through a list once more, from its beginning. */
export type Again = <Init extends object, Acc extends object>(
  list: StepList<VmContext, Init, Acc>,
  id: VmId,
  input: Init,
) => Promise<unknown>;

interface Known {
  name: string;
  vmOf(run: JournalRun): VmId;
  recover(run: JournalRun, deps: VmDeps, again: Again): Promise<void>;
}

function known<Init extends object, Acc extends object>(
  list: StepList<VmContext, Init, Acc>,
  idOf: (input: Init) => VmId,
): Known {
  return {
    name: list.name,
    vmOf: ({ input }) => idOf(list.input.parse(input)),
    recover: async (run, deps, again) => {
      const input = list.input.parse(run.input);
      const id = idOf(input);
      const { failpoint, state } = deps;
      if (list.recovery === "undo")
        return undoJournalled(run, list, { id, deps }, { journal: state.journal, failpoint });
      state.journal.end(run.run);
      await again(list, id, input);
    },
  };
}

const ofId = ({ id }: { id: VmId }) => id;
const ofRecord = ({ record }: { record: { id: VmId } }) => record.id;

const lists: readonly Known[] = [
  known(createSteps, ofRecord),
  known(templateSteps, ofRecord),
  known(spareSteps, ofRecord),
  known(startSteps, ofId),
  known(setSteps, ofId),
  known(pauseSteps, ofId),
  known(resumeSteps, ofId),
  known(checkpointSteps, ofId),
  known(forkSteps, ofRecord),
  known(snapshotSteps, ofId),
  known(prepareSteps, ofId),
  known(restoreSteps, ofId),
  known(suspendSteps, ofId),
  known(suspendedSteps, ofId),
  known(stopSteps, ofId),
  known(deleteSteps, ofId),
];

/** Undefined for a list that this version does not know. */
export function vmOf(run: JournalRun): VmId | undefined {
  return lists.find(({ name }) => name === run.list)?.vmOf(run);
}

/** Undoes it, or, for lists whose steps bear repetition, has it gone through again. */
export async function recoverRun(run: JournalRun, deps: VmDeps, again: Again): Promise<void> {
  const list = lists.find(({ name }) => name === run.list);
  if (list === undefined)
    throw new BangerError("corrupt", `the journal speaks of an unknown list ${run.list}`);
  return list.recover(run, deps, again);
}
