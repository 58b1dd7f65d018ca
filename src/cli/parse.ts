/**
 * From argv words to a command's input: the only file that knows citty.
 *
 * citty (0.2.2) forgives: it drops `--`, accepts unknown flags, reads every `--no-x` as x=false, and makes "" of a
 * missing value. So the words are checked strictly here first and handed to citty in one canonical form
 * (`--flag=value`), and citty's result goes through the definition's zod shapes, which hold the defaults.
 */
import { type ArgsDef, parseArgs } from "citty";
import { z } from "zod";
import { BangerError, nearest } from "../base/base.ts";
import type { Command, OptionMeta } from "./command.ts";
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
  description: string;
}

/** The flags of a command as they are written; `--help` belongs to every command and is not listed. */
export function flagsOf(command: Command): Flag[] {
  return Object.entries(command.flags).map(([key, schema]) => {
    const meta = metaOf(schema);
    const name = kebab(key);
    const negated = meta.negated === true;
    return {
      key,
      negated,
      long: negated ? `--no-${name}` : `--${name}`,
      short: meta.short === undefined ? undefined : `-${meta.short}`,
      value: isSwitch(schema) ? undefined : (meta.value ?? name.toUpperCase()),
      description: meta.description ?? "",
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
  return Object.entries(command.args).map(([key, schema]) => {
    const meta = metaOf(schema);
    const many = unwrapped(schema) instanceof z.ZodArray;
    const required = !schema.safeParse(undefined).success;
    return { key, name: meta.value ?? key, many, required, description: meta.description ?? "" };
  });
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
  const checked = checkWords(command, path, own);
  const parsed = parseArgs(checked.canonical, cittyArgs(command));
  const input: Record<string, unknown> = {};
  for (const flag of flagsOf(command)) {
    const schema = command.flags[flag.key];
    const given = checked.given.has(flag.key) ? parsed[flag.key] : undefined;
    if (schema !== undefined) input[flag.key] = checkValue(schema, given, flag.long, path);
  }
  const values = checked.positionals;
  for (const positional of positionalsOf(command)) {
    const schema = command.args[positional.key];
    const given = positional.many ? values.splice(0) : values.shift();
    if (schema === undefined) continue;
    if (positional.required && (given === undefined || given.length === 0)) {
      throw wrong(given === "" ? `${positional.name} is empty` : `${positional.name} is missing`, path);
    }
    input[positional.key] = checkValue(schema, given, positional.name, path);
  }
  if (values[0] !== undefined) {
    const hint =
      command.rest === undefined
        ? undefined
        : `a command for the guest goes after --: banger ${path} ... -- ${escapeLine(values.join(" "))}`;
    throw wrong(`unexpected argument ${JSON.stringify(values[0])}`, path, hint);
  }
  input.rest = checkRest(command, path, rest);
  return input;
}

interface Checked {
  canonical: string[];
  positionals: string[];
  given: Set<string>;
}

function checkWords(command: Command, path: string, words: readonly string[]): Checked {
  const flags = flagsOf(command);
  const checked: Checked = { canonical: [], positionals: [], given: new Set() };
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
      throw unknownWord("flag", name, path, nearest(name, [...flags.map(({ long }) => long), "--help"]));
    }
    if (checked.given.has(flag.key)) throw wrong(`${flag.long} is given twice`, path);
    checked.given.add(flag.key);
    if (flag.value === undefined) {
      if (equals >= 0) throw wrong(`${flag.long} takes no value`, path);
      checked.canonical.push(`--${flag.negated ? "no-" : ""}${flag.key}`);
      continue;
    }
    const value = equals < 0 ? queue[index + 1] : word.slice(equals + 1);
    if (value === undefined || (equals < 0 && value.startsWith("-") && value !== "-")) {
      throw wrong(`${flag.long} needs a value: ${flag.long} ${flag.value}`, path);
    }
    if (equals < 0) index += 1;
    checked.canonical.push(`--${flag.key}=${value}`);
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

function checkValue(schema: z.ZodType, given: unknown, name: string, path: string): unknown {
  const parsed = schema.safeParse(given);
  if (parsed.success) return parsed.data;
  const what = typeof given === "string" ? `${name} ${JSON.stringify(given)}` : name;
  throw wrong(`${escapeLine(what)}: ${parsed.error.issues[0]?.message ?? "not valid"}`, path);
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

/** Strings and switches only: types, defaults and limits are zod's, checked after. */
function cittyArgs(command: Command): ArgsDef {
  return Object.fromEntries(
    Object.entries(command.flags).map(([key, schema]) => [
      key,
      { type: isSwitch(schema) ? ("boolean" as const) : ("string" as const) },
    ]),
  );
}

function isSwitch(schema: z.ZodType): boolean {
  return unwrapped(schema) instanceof z.ZodBoolean;
}

function unwrapped(schema: z.ZodType): unknown {
  let inner: unknown = schema;
  while (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault) inner = inner.unwrap();
  return inner;
}

function metaOf(schema: z.ZodType): OptionMeta {
  return (schema.meta() ?? {}) as OptionMeta;
}

function kebab(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
