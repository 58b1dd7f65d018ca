/** Arguments and flags: how each is explained, and how its word becomes a value. */

/** What a word names, for the shell's completion: something that the daemon knows, or that is on this machine. */
export type Completes =
  | "vm"
  | "image"
  | "catalog image"
  | "kernel"
  | "catalog kernel"
  | "snapshot"
  /** `VM:` or a file. */
  | "place"
  | "file"
  | "directory";

/** Makes a value of a word; throws Unfit. `words`: all that it takes, where it takes only those. */
export interface Reader<T> {
  (given: string): T;
  words?: readonly string[];
}

interface Explained {
  description: string;
  completes?: Completes | undefined;
  /** What stands for the value in help, e.g. SIZE; default: the name. */
  value?: string | undefined;
  /** A flag's one letter. */
  short?: string | undefined;
  /** A flag that no help, manual or shell tells of: for tests, and for who has read the source. */
  hidden?: boolean;
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
  read: Reader<T>;
}

/** An argument that takes all words that are left; if it is required, at least one. */
export interface Words<T> extends Explained {
  kind: "words";
  required: boolean;
  /** Of each. */
  read: Reader<T>;
}

/** A flag that may be given several times, with a word each; none given is none. */
export interface Repeated<T> extends Explained {
  kind: "repeated";
  required: false;
  /** Of each. */
  read: Reader<T>;
}

export type Option = Switch | Word<unknown> | Words<unknown> | Repeated<unknown>;

/** What a command gets. */
export type ValueOf<O extends Option> = O extends Switch
  ? boolean
  : O extends Words<infer T> | Repeated<infer T>
    ? T[]
    : O extends Word<infer T, infer Required>
      ? Required extends true
        ? T
        : T | undefined
      : never;

export function required<T>(explained: Explained, read: Reader<T>): Word<T, true> {
  return { kind: "word", required: true, read, ...explained };
}

export function optional<T>(explained: Explained, read: Reader<T>): Word<T, false> {
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
export function oneOf<const T extends string>(words: readonly T[], otherwise: string): Reader<T> {
  return listing(words, (given) => {
    const found = words.find((word) => word === given);
    if (found !== undefined) return found;
    throw new Unfit(otherwise);
  });
}

/** A reader with the words that it takes, for the shell's completion. */
export function listing<T>(words: readonly string[], read: (given: string) => T): Reader<T> {
  return Object.assign((given: string) => read(given), { words });
}
