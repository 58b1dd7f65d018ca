/** All step lists: what the crash tests go through, so that a new step is covered by being written. */
import { createSteps } from "./create-steps.ts";
import { deleteSteps, stopSteps } from "./end-steps.ts";
import { setSteps } from "./set-steps.ts";
import { startSteps } from "./start-steps.ts";
import { templateSteps } from "./template-steps.ts";

export const stepLists = [createSteps, startSteps, setSteps, stopSteps, deleteSteps, templateSteps] as const;
