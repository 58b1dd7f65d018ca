/** Arguments and flags: how each is explained, and how its word becomes a value. */

interface Explained {
  description: string;
  /** What stands for the value in help, e.g. SIZE; default: the name. */
  value?: string | undefined;
  /** A flag's one letter. */
  short?: string | undefined;
}

/** A flag without a value. */
export interface Switch extends Explained {
  kind: "switch";
  /** It is written `--no-<name>` and nothing else, and is false when given. */
  negated: boolean;
}

/** One word. */
export interface Word<T, Required extends boolean = boolean> extends Explained {
  kind: "word";
  required: Required;
  /** Throws Unfit. */
  read(given: string): T;
}

/** An argument that takes all words that are left, and at least one. */
export interface Words<T> extends Explained {
  kind: "words";
  required: true;
  /** Of each. Throws Unfit. */
  read(given: string): T;
}

/** A flag that may be given several times, with a word each time. */
export interface List<T> extends Explained {
  kind: "list";
  /** Of each. Throws Unfit. */
  read(given: string): T;
}

export type Option = Switch | Word<unknown> | Words<unknown> | List<unknown>;

/** What a command gets. */
export type ValueOf<O extends Option> = O extends Switch
  ? boolean
  : O extends Words<infer T> | List<infer T>
    ? T[]
    : O extends Word<infer T, infer Required>
      ? Required extends true
        ? T
        : T | undefined
      : never;

export function required<T>(explained: Explained, read: (given: string) => T): Word<T, true> {
  return { kind: "word", required: true, read, ...explained };
}

export function optional<T>(explained: Explained, read: (given: string) => T): Word<T, false> {
  return { kind: "word", required: false, read, ...explained };
}

/** Why a word cannot be what it was given for; the message goes on after "--flag VALUE: ". */
export class Unfit extends Error {}

/** A reader of words of a grammar. */
export function matching(grammar: RegExp, otherwise: string): (given: string) => string {
  return (given) => {
    if (grammar.test(given)) return given;
    throw new Unfit(otherwise);
  };
}

/** A reader of words of a list. */
export function oneOf<const T extends string>(words: readonly T[], otherwise: string): (given: string) => T {
  return (given) => {
    const found = words.find((word) => word === given);
    if (found !== undefined) return found;
    throw new Unfit(otherwise);
  };
}
