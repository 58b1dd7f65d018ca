/** What a command is: a definition with its help, its arguments and flags, and one function to run. */
import type { GuestExit } from "../base/base.ts";
import type { Context } from "./context.ts";
import type { Option, Repeated, Switch, ValueOf, Word, Words } from "./option.ts";

/** Positional, in the order of their keys. */
type Args = Readonly<Record<string, Word<unknown> | Words<unknown>>>;
/** Named by their key in kebab case. */
type Flags = Readonly<Record<string, Switch | Word<unknown> | Repeated<unknown>>>;
type Values<O extends Readonly<Record<string, Option>>> = { [K in keyof O]: ValueOf<O[K]> };

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

export interface CommandDefinition<A extends Args, F extends Flags> {
  /** One line: what it is for. */
  summary: string;
  /** A short paragraph for what the summary leaves open. */
  details?: string;
  examples: readonly Example[];
  args: A;
  flags: F;
  rest?: Rest;
  /** Flags that the like of it has elsewhere, as they are written there, and why there is none here: a hint. */
  needless?: Readonly<Record<string, string>>;
  /** What Ctrl-C leaves, and how to go on: what is said when nothing else says it. */
  interrupted?: string;
  run(
    input: Values<A> & Values<F> & { rest: string[] | undefined },
    ctx: Context,
  ): Promise<undefined | GuestExit>;
}

/** A definition whose input types have been checked where it was written. */
export interface Command {
  summary: string;
  details?: string;
  examples: readonly Example[];
  args: Args;
  flags: Flags;
  rest?: Rest;
  needless?: Readonly<Record<string, string>>;
  /** What Ctrl-C leaves, and how to go on: what is said when nothing else says it. */
  interrupted?: string;
  run(input: Record<string, unknown>, ctx: Context): Promise<undefined | GuestExit>;
}

export function defineCommand<const A extends Args, const F extends Flags>(
  definition: CommandDefinition<A, F>,
): Command {
  const { run, ...rest } = definition;
  // The parser makes the input by these very options: that is what allows the narrower type here.
  return { ...rest, run: (input, ctx) => run(input as Parameters<typeof run>[0], ctx) };
}

/** The error has been shown already: only the exit status is left to say. */
export class Quiet {
  constructor(readonly status: number) {}
}
