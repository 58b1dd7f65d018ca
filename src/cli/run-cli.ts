/** One call of `banger`: finds the command, parses, runs it, and turns what comes out into an exit status. */
import { GuestExit, nearest, toBangerError } from "../base/base.ts";
import { type Command, Quiet } from "./command.ts";
import { type Group, groups, type Load, topLevel } from "./commands.ts";
import type { Context } from "./context.ts";
import { globalFlags, withVerbosity } from "./global-flags.ts";
import { interruptOf, statusOf } from "./interrupts.ts";
import { renderError } from "./output/errors.ts";
import { parseInput, unknownWord } from "./parse.ts";
import { checkWords } from "./words.ts";

/** Runs `words` (argv after the program) and says the exit status. Never throws. */
export async function runCli(words: readonly string[], ctx: Context): Promise<number> {
  try {
    checkWords(words);
    const outcome = await dispatch(words, ctx);
    // Only this may be the guest's status: see GuestExit.
    return outcome instanceof GuestExit ? outcome.status : 0;
  } catch (error) {
    if (error instanceof Quiet) return error.status;
    const interrupt = ctx.signal.aborted ? interruptOf(ctx.signal.reason) : undefined;
    const failure = toBangerError(error);
    if (interrupt !== undefined && failure.code === "cancelled") return statusOf(interrupt);
    return renderError(error, ctx);
  }
}

export type Target =
  | { kind: "root" }
  | { kind: "group"; name: string; group: Group }
  | { kind: "command"; path: string; load: Load; words: readonly string[] };

async function dispatch(words: readonly string[], ctx: Context): Promise<undefined | GuestExit> {
  const own = words.includes("--") ? words.slice(0, words.indexOf("--")) : words;
  const wantsHelp = own.includes("--help") || own.includes("-h");
  if (words[0] === "--version") {
    ctx.out((await import("../base/version.ts")).versionLine("banger"));
    return undefined;
  }
  const leading = words.slice(0, firstOwn(words));
  const named = words.slice(leading.length);
  const asked = named[0] === "help" ? named.slice(1) : named;
  const target = findTarget(wantsHelp ? asked.filter((word) => word !== "--help" && word !== "-h") : asked);
  if (target.kind === "command" && !wantsHelp && named[0] !== "help") {
    const { command } = await target.load();
    const input = parseInput(command, target.path, [...leading, ...target.words]);
    return runCommand(command, input, withVerbosity(ctx, input));
  }
  const help = await import("./help.ts");
  const width = ctx.tty.stdout ? Math.min(80, ctx.tty.size().columns) : undefined;
  if (target.kind === "root") ctx.out(await help.rootHelp(width));
  else if (target.kind === "group") ctx.out(await help.groupHelp(target.name, target.group, width));
  else ctx.out(help.commandHelp(target.path, (await target.load()).command, width));
  return undefined;
}

async function runCommand(
  command: Command,
  input: Record<string, unknown>,
  ctx: Context,
): Promise<undefined | GuestExit> {
  try {
    return await command.run(input, ctx);
  } catch (error) {
    const cancelled =
      ctx.signal.aborted && !(error instanceof Quiet) && toBangerError(error).code === "cancelled";
    if (cancelled && command.interrupted !== undefined) ctx.err(`interrupted: ${command.interrupted}`);
    throw error;
  }
}

/** Where the flags that every command has, and that may stand before it, have ended. */
function firstOwn(words: readonly string[]): number {
  const every = Object.entries(globalFlags).flatMap(([name, { short }]) => [`--${name}`, `-${short}`]);
  const first = words.findIndex((word) => !every.includes(word));
  return first < 0 ? words.length : first;
}

/** What `words` name; throws usage for what does not exist. */
export function findTarget(words: readonly string[]): Target {
  const [first, second] = words;
  if (first === undefined) return { kind: "root" };
  const single = own(topLevel, first);
  if (single !== undefined) return { kind: "command", path: first, load: single, words: words.slice(1) };
  const group = own(groups, first);
  if (group === undefined) {
    // Other tools have them at the top.
    const vm = own(groups, "vm");
    if (vm !== undefined && own({ ...vm.commands, ...vm.aliases }, first) !== undefined)
      throw unknownWord("command", first, "", `banger vm ${first}`);
    throw unknown(first, "", [...visibleGroups(), ...Object.keys(topLevel), "help"]);
  }
  if (second === undefined) return { kind: "group", name: first, group };
  const name = own(group.aliases ?? {}, second) ?? second;
  const load = own(group.commands, name);
  if (load === undefined) {
    throw unknown(second, first, [...Object.keys(group.commands), ...Object.keys(group.aliases ?? {})]);
  }
  return { kind: "command", path: `${first} ${name}`, load, words: words.slice(2) };
}

/** A table's entry, never something inherited such as `constructor`. */
function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

function visibleGroups(): string[] {
  return Object.entries(groups).flatMap(([name, group]) => (group.hidden === true ? [] : [name]));
}

function unknown(word: string, path: string, candidates: readonly string[]) {
  const kind = word.startsWith("-") ? "flag" : "command";
  const meant = nearest(word, kind === "flag" ? ["--help", "--version"] : candidates);
  const prefix = `banger ${path}${path === "" ? "" : " "}`;
  const shown = meant === undefined || kind === "flag" ? meant : prefix + meant;
  return unknownWord(kind, word, path, shown);
}
