/**
 * Steps with undo, run in order, journalled before their effects can be lost. Knows nothing of VMs.
 *
 * A step's output is plain data (its zod schema says so), not a closure: after a crash the journal alone is enough to
 * undo. An intent is recorded before `do` runs, so an effect that happened but was never recorded is undone too; hence
 * `undo` takes an output that may be missing and must find the effect by a name derived from the subject's id.
 */
export { type Journal, type JournalEntry, type JournalRun, memoryJournal } from "./journal.ts";
export {
  type Failpoint,
  type RunOptions,
  runSteps,
  type StepEvent,
  type StepObserver,
  undoJournalled,
} from "./run.ts";
export { type ListedStep, type Step, type StepList, steps } from "./step.ts";
