import { randomUUID } from "node:crypto";
import { BangerError, toBangerError } from "../base/base.ts";
import type { Journal, JournalRun } from "./journal.ts";
import type { ListedStep, StepList } from "./step.ts";

export interface StepEvent {
  step: string;
  status: "begin" | "done" | "failed" | "undone";
  /** Since the step began; not on `begin`. */
  ms?: number;
}

/** Hears of every step. It can never fail one: what it throws is dropped. */
export type StepObserver = (event: StepEvent) => void;

/** `step` is LIST.STEP. */
export type Failpoint = (step: string, when: "before" | "after" | "undo_before" | "undo_after") => void;

export interface RunOptions {
  journal: Journal;
  signal?: AbortSignal | undefined;
  observe?: StepObserver | undefined;
  /** Called around every effect; only tests of crashes give one, and it may end the process. */
  failpoint?: Failpoint | undefined;
  /** For one undo, in ms. A user's cancellation does not reach undos. */
  undoTimeoutMs?: number;
}

/**
 * Runs a list to its end and returns everything its steps returned, merged with the input. On failure the failing step
 * and all before it are undone in reverse (lists with recovery "undo"), the first failure is thrown, and undos that
 * failed too are in its details; those stay in the journal for the next recovery.
 */
export async function runSteps<Ctx, Init extends object, Acc extends object>(
  list: StepList<Ctx, Init, Acc>,
  ctx: Ctx,
  input: Init,
  options: RunOptions,
): Promise<Acc> {
  const { journal } = options;
  const signal = options.signal ?? new AbortController().signal;
  const run = randomUUID();
  journal.begin(run, list.name, list.input.parse(input));
  let state: object = input;
  const outputs = new Map<string, object>();
  let current: ListedStep<Ctx> | undefined;
  try {
    const [first] = list.list;
    signal.throwIfAborted();
    if (first) journal.intend(run, first.name);
    for (const [index, step] of list.list.entries()) {
      current = step;
      const started = performance.now();
      tell(options.observe, { step: step.name, status: "begin" });
      options.failpoint?.(`${list.name}.${step.name}`, "before");
      const output = step.output.parse(await step.do(ctx, state, signal));
      options.failpoint?.(`${list.name}.${step.name}`, "after");
      outputs.set(step.name, output);
      state = { ...state, ...output };
      journal.done(run, step.name, output, list.list[index + 1]?.name);
      tell(options.observe, { step: step.name, status: "done", ms: performance.now() - started });
      current = list.list[index + 1];
      if (current !== undefined) signal.throwIfAborted();
    }
    // In here, because a run that stays open is taken back by the next daemon: better now, and said.
    journal.end(run, list.lasts(input));
  } catch (error) {
    if (current) tell(options.observe, { step: current.name, status: "failed" });
    // A list that is redone after a crash is not taken back after a failure either: its run stays open.
    if (list.recovery === "redo") throw toBangerError(error);
    const entries = [...outputs.keys(), ...(current ? [current.name] : [])].map((step) => ({
      step,
      output: outputs.get(step),
    }));
    const failures = await undoEntries({ run, list: list.name, input, entries }, list, ctx, options);
    throw failures.length === 0 ? toBangerError(error) : withUndoFailures(toBangerError(error), failures);
  }
  // Every step's output has passed its schema, and `step` has typed their sum as Acc.
  return state as Acc;
}

/** Undoes what a journal says a crashed run did. Throws when an undo failed; the run then stays open. */
export async function undoJournalled<Ctx, Init extends object, Acc extends object>(
  open: JournalRun,
  list: StepList<Ctx, Init, Acc>,
  ctx: Ctx,
  options: RunOptions,
): Promise<void> {
  const failures = await undoEntries(open, list, ctx, options);
  if (failures.length > 0) {
    throw withUndoFailures(new BangerError("operation_failed", `${list.name} could not be undone`), failures);
  }
}

interface UndoFailure {
  step: string;
  message: string;
}

async function undoEntries<Ctx, Init extends object, Acc extends object>(
  open: JournalRun,
  list: StepList<Ctx, Init, Acc>,
  ctx: Ctx,
  options: RunOptions,
): Promise<UndoFailure[]> {
  const failures: UndoFailure[] = [];
  for (const entry of [...open.entries].reverse()) {
    const step = list.list.find((candidate) => candidate.name === entry.step);
    try {
      const parsed = step?.output.safeParse(entry.output);
      options.failpoint?.(`${list.name}.${entry.step}`, "undo_before");
      await withDeadline(step?.undo?.(ctx, parsed?.success ? parsed.data : undefined), options.undoTimeoutMs);
      options.failpoint?.(`${list.name}.${entry.step}`, "undo_after");
      options.journal.undone(open.run, entry.step);
      tell(options.observe, { step: entry.step, status: "undone" });
    } catch (error) {
      failures.push({ step: entry.step, message: toBangerError(error).message });
    }
  }
  if (failures.length === 0) options.journal.end(open.run);
  return failures;
}

function withUndoFailures(error: BangerError, undoFailures: UndoFailure[]): BangerError {
  return new BangerError(error.code, error.message, {
    hint: error.hint ?? "what could not be undone is tried again when the daemon starts: banger daemon stop",
    details: { ...error.details, undoFailures },
    cause: error.cause,
  });
}

async function withDeadline(undo: Promise<void> | undefined, timeoutMs = 30_000): Promise<void> {
  if (undo === undefined) return;
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new BangerError("timeout", `undo took longer than ${timeoutMs} ms`)),
    timeoutMs,
  );
  try {
    await Promise.race([undo, late]);
  } finally {
    clearTimeout(timer);
  }
}

function tell(observe: StepObserver | undefined, event: StepEvent): void {
  try {
    observe?.(event);
  } catch {
    // An observer only watches; whatever it throws must not fail the step.
  }
}
