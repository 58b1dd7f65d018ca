/**
 * What a command is: a definition with its help, its arguments and flags as zod shapes, and one function to run.
 *
 * Arguments are positional in the order of their keys: `z.array()` takes all the rest, `.optional()` may be absent.
 * Flags are named by their key in kebab case; `.meta()` carries description, `short` letter, `value` placeholder and
 * `negated` (only `--no-key` exists). Defaults live in zod, so that a command can tell "not given" from "given".
 */
import type { z } from "zod";
import type { GuestExit } from "../base/base.ts";
import type { Context } from "./context.ts";

type Shape = Record<string, z.ZodType>;
type Inferred<S extends Shape> = { [K in keyof S]: z.output<S[K]> };

/** What `.meta()` of an argument or flag may say. */
export interface OptionMeta {
  description?: string;
  /** One letter. */
  short?: string;
  /** Placeholder of the value in help, e.g. SIZE. */
  value?: string;
  /** The flag is written `--no-<name>` and nothing else; its value is then false. */
  negated?: boolean;
}

export interface Example {
  /** Without the leading `banger`. */
  command: string;
  /** What it does, a few words. */
  note: string;
}

/** The words after `--`. */
export interface Rest {
  name: string;
  description: string;
  required: boolean;
}

export interface CommandDefinition<A extends Shape, F extends Shape> {
  /** One line: what it is for. */
  summary: string;
  /** A short paragraph for what the summary leaves open. */
  details?: string;
  examples: readonly Example[];
  args: A;
  flags: F;
  rest?: Rest;
  run(
    input: Inferred<A> & Inferred<F> & { rest: string[] | undefined },
    ctx: Context,
  ): Promise<undefined | GuestExit>;
}

/** A definition whose input types have been checked where it was written. */
export interface Command {
  summary: string;
  details?: string;
  examples: readonly Example[];
  args: Shape;
  flags: Shape;
  rest?: Rest;
  run(input: Record<string, unknown>, ctx: Context): Promise<undefined | GuestExit>;
}

export function defineCommand<const A extends Shape, const F extends Shape>(
  definition: CommandDefinition<A, F>,
): Command {
  const { run, ...rest } = definition;
  // The parser makes the input by these very shapes: that is what allows the narrower type here.
  return { ...rest, run: (input, ctx) => run(input as Parameters<typeof run>[0], ctx) };
}

/** The error has been shown already: only the exit status is left to say. */
export class Quiet {
  constructor(readonly status: number) {}
}
