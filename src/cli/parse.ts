/** From argv words to a command's input. Strict: what is not known, given twice or cannot be read is refused. */
import { BangerError, nearest } from "../base/base.ts";
import type { Command } from "./command.ts";
import { globalFlags } from "./global-flags.ts";
import { type Option, type Switch, Unfit } from "./option.ts";
import { escapeLine } from "./output/escape.ts";

export interface Flag {
  key: string;
  /** As written on the command line, with dashes. */
  long: string;
  short: string | undefined;
  /** Its name is written with `--no-` before it, and it switches off. */
  negated: boolean;
  /** Undefined for a switch. */
  value: string | undefined;
  required: boolean;
  repeated: boolean;
  description: string;
}

/** A command's own flags as they are written, and as others are told of them. */
export function flagsOf(command: Command): Flag[] {
  return writtenFlags(command.flags).filter(({ key }) => command.flags[key]?.hidden !== true);
}

/** All that it takes: those that every command has, too, but for `--help`, which is seen to before. */
export function allFlagsOf(command: Command): Flag[] {
  const own = writtenFlags(command.flags);
  const ownShorts = own.map(({ short }) => short);
  const others = writtenFlags(globalFlags).filter(({ key }) => !own.some((flag) => flag.key === key));
  return [
    ...own,
    ...others.map((flag) => (ownShorts.includes(flag.short) ? { ...flag, short: undefined } : flag)),
  ];
}

/** Of a table of flags by their keys. */
export function writtenFlags(flags: Command["flags"]): Flag[] {
  return Object.entries(flags).map(([key, option]) => {
    const name = kebab(key);
    const negated = option.kind === "switch" && option.negated;
    return {
      key,
      negated,
      long: negated ? `--no-${name}` : `--${name}`,
      short: option.short === undefined ? undefined : `-${option.short}`,
      value: option.kind === "switch" ? undefined : (option.value ?? name.toUpperCase()),
      required: option.kind === "word" && option.required,
      repeated: option.kind === "repeated",
      description: option.description,
    };
  });
}

export interface Positional {
  key: string;
  name: string;
  many: boolean;
  required: boolean;
  description: string;
}

export function positionalsOf(command: Command): Positional[] {
  return Object.entries(command.args).map(([key, { kind, value, required, description }]) => ({
    key,
    name: value ?? key,
    many: kind === "words",
    required,
    description,
  }));
}

/** The input for `command.run`. Throws usage and bad_request; `path` is how the command is called, for hints. */
export function parseInput(
  command: Command,
  path: string,
  words: readonly string[],
): Record<string, unknown> {
  const split = words.indexOf("--");
  const own = split < 0 ? words : words.slice(0, split);
  const rest = split < 0 ? undefined : words.slice(split + 1);
  const { given, positionals: values } = checkWords(command, path, own);
  const input: Record<string, unknown> = {};
  const options: Command["flags"] = { ...globalFlags, ...command.flags };
  for (const { key, long, required } of allFlagsOf(command)) {
    const option = options[key];
    const [word, ...more] = given.get(key) ?? [];
    if (option?.kind === "switch") input[key] = given.has(key) !== option.negated;
    else if (option?.kind === "repeated")
      input[key] = [...(word === undefined ? [] : [word]), ...more].map((each) =>
        readWord(option, each, `${long} ${JSON.stringify(each)}`, path),
      );
    else if (required && word === undefined) throw wrong(`${long} is missing`, path);
    else if (option !== undefined && word !== undefined) {
      input[key] = readWord(option, word, `${long} ${JSON.stringify(word)}`, path);
    }
  }
  /** What was taken for a path that nobody had to give: `make`, of `vm run make test`. */
  const optional: string[] = [];
  for (const { key, name, many, required } of positionalsOf(command)) {
    const option = command.args[key];
    const words = many ? values.splice(0) : values.splice(0, 1);
    const [first] = words;
    if (!required && first !== undefined && !/^[./~]/.test(first)) optional.push(first);
    if (required && (first === undefined || (first === "" && !many))) {
      throw wrong(first === "" ? `${name} is empty` : `${name} is missing`, path);
    }
    if (option === undefined) continue;
    if (many) input[key] = words.map((word) => readWord(option, word, name, path));
    else if (first !== undefined)
      input[key] = readWord(option, first, `${name} ${JSON.stringify(first)}`, path);
  }
  if (values[0] !== undefined) {
    const line = (words: readonly string[], rest: readonly string[]) =>
      `banger ${path} ${[...words, "--", ...rest].map(escapeLine).join(" ")}`;
    const lines = [line(["..."], [...optional, ...values])];
    // Or the first word is a directory after all, and only its path does not look like one.
    if (optional.length > 0) lines.push(line(optional, values));
    const hint =
      command.rest === undefined
        ? undefined
        : `a command for the guest goes after --: ${lines.join(", or ")}`;
    throw wrong(`unexpected argument ${JSON.stringify(values[0])}`, path, hint);
  }
  input.rest = checkRest(command, path, rest);
  return input;
}

interface Checked {
  positionals: string[];
  /** What was given, by flag's key; of a switch only that. */
  given: Map<string, string[]>;
}

function checkWords(command: Command, path: string, words: readonly string[]): Checked {
  const flags = allFlagsOf(command);
  const checked: Checked = { positionals: [], given: new Map() };
  const queue = words.flatMap((word) => unbundle(word, flags));
  for (let index = 0; index < queue.length; index += 1) {
    const word = queue[index] ?? "";
    if (!word.startsWith("-") || word === "-") {
      checked.positionals.push(word);
      continue;
    }
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    const flag = flags.find((candidate) => candidate.long === name || candidate.short === name);
    if (flag === undefined) {
      const { needless = {} } = command;
      if (Object.hasOwn(needless, name))
        throw new BangerError("usage", `there is no ${name} here`, { hint: needless[name] });
      throw unknownWord("flag", name, path, nearest(name, [...flags.map(({ long }) => long), "--help"]));
    }
    const before = checked.given.get(flag.key);
    if (before !== undefined && !flag.repeated) throw wrong(`${flag.long} is given twice`, path);
    if (flag.value === undefined) {
      if (equals >= 0) throw wrong(`${flag.long} takes no value`, path);
      checked.given.set(flag.key, []);
      continue;
    }
    const value = equals < 0 ? queue[index + 1] : word.slice(equals + 1);
    if (value === undefined || (equals < 0 && value.startsWith("-") && value !== "-")) {
      throw wrong(`${flag.long} needs a value: ${flag.long} ${flag.value}`, path);
    }
    if (equals < 0) index += 1;
    checked.given.set(flag.key, [...(before ?? []), value]);
  }
  return checked;
}

/** `-yq` is `-y -q` when all the letters are switches; anything else stays as it is. */
function unbundle(word: string, flags: readonly Flag[]): string[] {
  if (!/^-[A-Za-z]{2,}$/.test(word)) return [word];
  const letters = [...word.slice(1)].map((letter) => `-${letter}`);
  const switches = letters.every((letter) =>
    flags.some((flag) => flag.short === letter && flag.value === undefined),
  );
  return switches ? letters : [word];
}

function checkRest(command: Command, path: string, rest: string[] | undefined): string[] | undefined {
  if (command.rest === undefined) {
    if (rest === undefined) return undefined;
    throw wrong("nothing may follow -- here", path);
  }
  if (rest !== undefined && rest.length === 0 && command.rest.required) {
    throw wrong(`${command.rest.name} is missing after --`, path);
  }
  if (rest === undefined && command.rest.required) {
    throw wrong(
      `${command.rest.name} is missing`,
      path,
      `it goes after --: banger ${path} ... -- ${command.rest.name}`,
    );
  }
  return rest;
}

/** What `option` makes of a word. */
function readWord(option: Exclude<Option, Switch>, given: string, shown: string, path: string): unknown {
  try {
    return option.read(given);
  } catch (error) {
    if (!(error instanceof Unfit)) throw error;
    throw wrong(`${escapeLine(shown)}: ${error.message}`, path);
  }
}

/** A command line that says something impossible, of `path`'s command. */
function wrong(message: string, path: string, hint = seeHelp(path)): BangerError {
  return new BangerError("bad_request", message, { hint });
}

/** A command or flag that does not exist. */
export function unknownWord(
  kind: "command" | "flag",
  word: string,
  path: string,
  meant?: string,
): BangerError {
  return new BangerError("usage", `unknown ${kind} ${escapeLine(word)}`, {
    hint: meant === undefined ? seeHelp(path) : `did you mean ${meant}?`,
  });
}

function seeHelp(path: string): string {
  return `see: banger ${path}${path === "" ? "" : " "}--help`;
}

function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
