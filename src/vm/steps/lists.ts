/** All step lists: what the crash tests go through, so that a new step is covered by being written. */
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

export const stepLists = [
  createSteps,
  startSteps,
  setSteps,
  pauseSteps,
  resumeSteps,
  checkpointSteps,
  forkSteps,
  snapshotSteps,
  prepareSteps,
  restoreSteps,
  suspendSteps,
  suspendedSteps,
  stopSteps,
  deleteSteps,
  templateSteps,
  spareSteps,
] as const;
