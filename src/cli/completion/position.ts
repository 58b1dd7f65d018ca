/**
 * What may stand at the end of a command line that is being typed, by the very definitions that will read it: pure.
 * Words that only the daemon knows are left to its asker (names.ts).
 */
import type { Command } from "../command.ts";
import { type Group, groups, type Load, topLevel } from "../commands.ts";
import { globalFlags } from "../global-flags.ts";
import type { Completes, Option } from "../option.ts";
import { allFlagsOf, positionalsOf } from "../parse.ts";

export interface Candidate {
  word: string;
  /** Shown beside it by shells that do. */
  about: string;
}

export interface Position {
  /** Words that fit. */
  words: Candidate[];
  /** What else fits. */
  names: Completes | undefined;
  /** What is typed before a name already, as `--image=`: part of the word that the shell completes. */
  prefix: string;
  /** Arguments before it: what is there already need not be offered again, and a snapshot is one of a VM's. */
  given: readonly string[];
}

const nothing: Position = { words: [], names: undefined, prefix: "", given: [] };

/** `words` come after `banger`; the last is being typed and may be empty. */
export async function positionOf(words: readonly string[]): Promise<Position> {
  const last = words.at(-1) ?? "";
  const before = words.slice(0, -1).filter((word) => !isGlobal(word));
  const named = before[0] === "help" ? before.slice(1) : before;
  const [first, second] = named;
  if (first === undefined) return { ...nothing, words: await rootWords(last, before.length > 0) };
  const single = own(topLevel, first);
  if (single !== undefined) return inCommand((await single()).command, named.slice(1), last);
  const group = own(groups, first);
  if (group === undefined) return nothing;
  if (second === undefined) return { ...nothing, words: await groupWords(group, last) };
  const load = own(group.commands, own(group.aliases ?? {}, second) ?? second);
  if (load === undefined || before[0] === "help") return nothing;
  return inCommand((await load()).command, named.slice(2), last);
}

async function rootWords(last: string, asHelp: boolean): Promise<Candidate[]> {
  if (last.startsWith("-"))
    return [...globals(), help, { word: "--version", about: "print the version in a line" }];
  const shown = Object.entries(groups).filter(([, group]) => group.hidden !== true);
  return [
    ...shown.map(([word, { summary }]) => ({ word, about: summary })),
    ...(await summaries(topLevel)),
    ...(asHelp ? [] : [{ word: "help", about: "explain a command" }]),
  ];
}

function groupWords(group: Group, last: string): Promise<Candidate[]> | Candidate[] {
  return last.startsWith("-") ? [...globals(), help] : summaries(group.commands);
}

function inCommand(command: Command, before: readonly string[], last: string): Position {
  // What follows is the guest's, or another program's.
  if (before.includes("--")) return nothing;
  const flags = allFlagsOf(command);
  const options: Command["flags"] = { ...globalFlags, ...command.flags };
  const find = (name: string) => flags.find(({ long, short }) => long === name || short === name);
  const given: string[] = [];
  const used = new Set<string>();
  let waiting: string | undefined;
  for (const word of before) {
    const flag = waiting === undefined ? find(word.split("=")[0] ?? "") : undefined;
    if (waiting !== undefined) waiting = undefined;
    else if (flag !== undefined) {
      used.add(flag.key);
      waiting = flag.value !== undefined && !word.includes("=") ? flag.key : undefined;
    } else if (!word.startsWith("-")) given.push(word);
  }
  if (waiting !== undefined) return ofOption(options[waiting], "", given);
  const [, long = "", prefix] = /^(--[a-z-]+)(=)/.exec(last) ?? [];
  if (prefix !== undefined) return ofOption(options[find(long)?.key ?? ""], `${long}=`, given);
  const left = flags
    .filter(({ key, repeated }) => (repeated || !used.has(key)) && options[key]?.hidden !== true)
    .map(({ long: word, description }) => ({ word, about: description }));
  const flagWords = { ...nothing, words: [...left, help] };
  if (last.startsWith("-")) return flagWords;
  const positionals = positionalsOf(command);
  const many = positionals.at(-1)?.many === true ? positionals.at(-1) : undefined;
  const positional = positionals[given.length] ?? many;
  if (positional === undefined) return flagWords;
  const option = command.args[positional.key];
  // Behind the colon it is the guest's: asking it would take longer than a key's effect.
  const inGuest = option?.completes === "place" && /^[^/:]*:/.test(last);
  return inGuest ? nothing : ofOption(option, "", given);
}

function ofOption(option: Option | undefined, prefix: string, given: readonly string[]): Position {
  if (option === undefined || option.kind === "switch") return nothing;
  const words = (option.read.words ?? []).map((word) => ({ word: prefix + word, about: "" }));
  return { words, names: option.completes, prefix, given };
}

const help: Candidate = { word: "--help", about: "explain the command" };

function globals(): Candidate[] {
  return Object.entries(globalFlags).map(([name, { description }]) => ({
    word: `--${name}`,
    about: description,
  }));
}

function isGlobal(word: string): boolean {
  return Object.entries(globalFlags).some(
    ([name, { short }]) => word === `--${name}` || word === `-${short}`,
  );
}

function summaries(commands: Readonly<Record<string, Load>>): Promise<Candidate[]> {
  return Promise.all(
    Object.entries(commands).map(async ([word, load]) => ({ word, about: (await load()).command.summary })),
  );
}

/** A table's entry, never something inherited. */
function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}
