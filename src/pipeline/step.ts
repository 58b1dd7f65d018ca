import type { z } from "zod";

/**
 * One effect and its inverse. `do` gets what the run began with and what the steps before it returned, merged.
 * `undo` must be idempotent, and must cope with an output that was never recorded (undefined): the effect may have
 * happened all the same.
 */
export interface Step<Ctx, In extends object, Out extends object> {
  readonly name: string;
  /** Plain data: it is written to the journal and read back, perhaps by another process. */
  readonly output: z.ZodType<Out>;
  do(ctx: Ctx, input: In, signal: AbortSignal): Promise<Out>;
  undo?(ctx: Ctx, output: Out | undefined): Promise<void>;
}

/** A step whose input type was already checked by the list it is in. */
export interface ListedStep<Ctx> {
  readonly name: string;
  readonly output: z.ZodType<object>;
  do(ctx: Ctx, input: object, signal: AbortSignal): Promise<object>;
  undo?(ctx: Ctx, output: object | undefined): Promise<void>;
}

export interface StepList<Ctx, Init extends object, Acc extends object> {
  /** Stable: written to the journal, so that a later process finds the list again. */
  readonly name: string;
  /** What a crash in the middle means: take everything back, or go through the (idempotent) list again. */
  readonly recovery: "undo" | "redo";
  /** The schema of what a run begins with; journalled too, so that the context of its undos can be made again. */
  readonly input: z.ZodType<Init>;
  readonly list: readonly ListedStep<Ctx>[];
  /** Whether what it did outlives a power cut from its end on: else one a moment later may have it taken back. */
  lasts(input: Init): boolean;
  /** Appends a step; it does not compile when the step wants something that no earlier step returns. */
  step<In extends object, Out extends object>(
    step: Acc extends In ? Step<Ctx, In, Out> : never,
  ): StepList<Ctx, Init, Acc & Out>;
}

/** An empty list, to be continued with `step`. */
export function steps<Ctx, Init extends object>(
  name: string,
  recovery: "undo" | "redo",
  input: z.ZodType<Init>,
  { lasts = () => false }: { lasts?(input: Init): boolean } = {},
): StepList<Ctx, Init, Init> {
  return extend({ name, recovery, input, lasts }, []);
}

type Head<Init extends object> = Pick<StepList<never, Init, object>, "name" | "recovery" | "input" | "lasts">;

function extend<Ctx, Init extends object, Acc extends object>(
  head: Head<Init>,
  list: readonly ListedStep<Ctx>[],
): StepList<Ctx, Init, Acc> {
  return {
    ...head,
    list,
    step: (step) => {
      // The type of `step` has been checked against Acc by the signature; from here on the list is heterogeneous.
      const listed = step as unknown as ListedStep<Ctx>;
      if (list.some((other) => other.name === listed.name)) throw new Error(`two steps named ${listed.name}`);
      return extend(head, [...list, listed]);
    },
  };
}
