/**
 * The manual pages, made from the commands' own definitions: banger(1), and one for each group and each command without one. In
 * man(7)'s macros, which every man reads.
 */
import { builtAt, version } from "../base/version.ts";
import type { Command, Example } from "./command.ts";
import { type Group, groups, topLevel } from "./commands.ts";
import { globalFlags } from "./global-flags.ts";
import { type Flag, flagsOf, positionalsOf, writtenFlags } from "./parse.ts";
import { conventions } from "./reference.ts";

/** By file name. */
export async function manualPages(): Promise<Map<string, string>> {
  const pages = new Map<string, string>();
  const shown = Object.entries(groups).filter(([, { hidden }]) => hidden !== true);
  const names = [...shown.map(([name]) => name), ...Object.keys(topLevel)];
  const seeAlso = (own: string | undefined) =>
    ["banger", ...names.map((name) => `banger-${name}`)].filter(
      (page) => page !== (own === undefined ? "banger" : `banger-${own}`),
    );
  pages.set(
    "banger.1",
    page("banger", "throw-away Linux machines for developers", await overview(names), seeAlso(undefined)),
  );
  for (const [name, group] of shown)
    pages.set(
      `banger-${name}.1`,
      page(`banger-${name}`, group.summary, await groupBody(name, group), seeAlso(name)),
    );
  for (const [name, load] of Object.entries(topLevel)) {
    const { command } = await load();
    pages.set(
      `banger-${name}.1`,
      page(`banger-${name}`, command.summary, commandBody(name, command), seeAlso(name)),
    );
  }
  return pages;
}

async function overview(names: readonly string[]): Promise<string[]> {
  const rows = await Promise.all(
    names.map(async (name) => [
      name,
      groups[name]?.summary ?? (await topLevel[name]?.())?.command.summary ?? "",
    ]),
  );
  return [
    ...section("SYNOPSIS"),
    `${bold("banger")} ${italic("command")} [${italic("argument")} ...]`,
    ...section("DESCRIPTION"),
    prose(
      "banger runs commands in real Linux virtual machines: banger vm run ./repo -- make test boots a fresh one, puts the repository's git-tracked files in it, runs the command, and exits with its status. A daemon of the user's, which the first command starts, owns the machines.",
    ),
    ...section("COMMANDS"),
    ...rows.flatMap(([name = "", summary = ""]) => tagged(`${bold(`banger ${name}`)}`, summary)),
    ...section("OPTIONS OF EVERY COMMAND"),
    ...options(writtenFlags(globalFlags)),
    ...tagged(`${bold("-h")}, ${bold("--help")}`, "explain the command"),
    ...section("CONVENTIONS"),
    ...conventions.map((each) => [".IP \\(bu 2", prose(each.replaceAll("`", ""))].join("\n")),
    ...section("FILES"),
    ...tagged(italic("~/.config/banger/config.toml"), "settings"),
    ...tagged(
      italic("~/.local/state/banger"),
      "virtual machines, images, kernels, keys, and the daemon's log",
    ),
    ...tagged(italic("~/.cache/banger"), "what can be fetched or made again"),
  ];
}

async function groupBody(name: string, group: Group): Promise<string[]> {
  const commands = await Promise.all(
    Object.entries(group.commands).map(async ([word, load]) => [word, (await load()).command] as const),
  );
  const aliases = Object.entries(group.aliases ?? {}).map(([alias, command]) => `${alias} for ${command}`);
  return [
    ...section("SYNOPSIS"),
    ...commands.flatMap(([word, command]) => [synopsis(`${name} ${word}`, command), ".br"]).slice(0, -1),
    ...section("DESCRIPTION"),
    prose(`${group.summary}.`),
    ...(group.details === undefined ? [] : [".PP", prose(group.details)]),
    ...(aliases.length === 0 ? [] : [".PP", prose(`Also understood: ${aliases.join(", ")}.`)]),
    ...section("COMMANDS"),
    ...commands.flatMap(([word, command]) => [
      `.SS ${quoted(`banger ${name} ${word}`)}`,
      ...about(command),
      ...(command.examples.length === 0 ? [] : [".PP", "Examples:", ...examples(command.examples)]),
    ]),
  ];
}

function commandBody(path: string, command: Command): string[] {
  return [
    ...section("SYNOPSIS"),
    synopsis(path, command),
    ...section("DESCRIPTION"),
    ...about(command),
    ...section("EXAMPLES"),
    ...examples(command.examples),
  ];
}

function about(command: Command): string[] {
  const args = positionalsOf(command).map(({ name, description }) => tagged(italic(name), description));
  const { rest } = command;
  return [
    prose(`${command.summary}.`),
    ...(command.details === undefined ? [] : [".PP", prose(command.details)]),
    ...args.flat(),
    ...(rest === undefined ? [] : tagged(italic(rest.name), rest.description)),
    ...options(flagsOf(command)),
    ...(command.interrupted === undefined ? [] : [".PP", prose(`Interrupted: ${command.interrupted}.`)]),
  ];
}

function synopsis(path: string, command: Command): string {
  const flags = flagsOf(command);
  const must = flags.filter(({ required }) => required);
  const args = positionalsOf(command).map(({ name, many, required }) => {
    const word = `${italic(name)}${many ? " ..." : ""}`;
    return required ? word : `[${word}]`;
  });
  const { rest } = command;
  const end = rest === undefined ? "" : `${bold("--")} ${italic(rest.name)} ...`;
  return [
    bold(`banger ${path}`),
    ...(flags.length > must.length ? [`[${italic("flags")}]`] : []),
    ...must.map(({ long, value = "" }) => `${bold(long)} ${italic(value)}`),
    ...args,
    ...(end === "" ? [] : [rest?.required === true ? end : `[${end}]`]),
  ].join(" ");
}

function options(flags: readonly Flag[]): string[] {
  return flags.flatMap(({ short, long, value, description }) => {
    const names = [...(short === undefined ? [] : [bold(short)]), bold(long)].join(", ");
    return tagged(value === undefined ? names : `${names} ${italic(value)}`, description);
  });
}

function examples(given: readonly Example[]): string[] {
  return given.flatMap(({ command, note }) => tagged(bold(`banger ${command}`), note));
}

function page(name: string, summary: string, body: readonly string[], seeAlso: readonly string[]): string {
  // A build from source has no date, and then neither has its page.
  const date = /^\d{4}-\d{2}-\d{2}/.exec(builtAt)?.[0] ?? "";
  return `${[
    `.TH ${name.toUpperCase()} 1 ${quoted(date)} ${quoted(`banger ${version}`)} ${quoted("banger manual")}`,
    ...section("NAME"),
    `${escaped(name)} \\- ${escaped(summary)}`,
    ...body,
    ...section("SEE ALSO"),
    seeAlso.map((other) => `${bold(other)}(1)`).join(",\n"),
  ].join("\n")}\n`;
}

function section(title: string): string[] {
  return [`.SH ${title}`];
}

function tagged(tag: string, text: string): string[] {
  return [".TP", tag, prose(text)];
}

/** Text of a paragraph: no word of it is a request, an escape or a hyphen that a terminal would not copy as one. */
function prose(text: string): string {
  return escaped(text.replace(/\s+/g, " ").trim());
}

function escaped(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replace(/^([.'])/gm, "\\&$1");
}

function bold(text: string): string {
  return `\\fB${escaped(text)}\\fR`;
}

function italic(text: string): string {
  return `\\fI${escaped(text)}\\fR`;
}

/** An argument of a request. */
function quoted(text: string): string {
  return `"${escaped(text).replaceAll('"', '""')}"`;
}
