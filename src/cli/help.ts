/** Help texts, made from the definitions: purpose, examples first, then arguments and flags. */
import type { Command, Example } from "./command.ts";
import { type Group, groups, topLevel } from "./commands.ts";
import { globalFlags } from "./global-flags.ts";
import { wrapWords } from "./output/wrap.ts";
import { flagsOf, positionalsOf } from "./parse.ts";

export async function rootHelp(width = lineWidth): Promise<string> {
  const shown = Object.entries(groups).filter(([, group]) => group.hidden !== true);
  const singles = await summaries(topLevel);
  const names = Object.keys(globalFlags).map((name) => `--${name}`);
  return sections([
    wrap("throw-away Linux machines for developers, in one command", width),
    block("Examples", exampleRows(rootExamples, width)),
    block(
      "Commands",
      columns([...shown.map(([name, group]): [string, string] => [name, group.summary]), ...singles], width),
    ),
    wrap(`Every command takes ${names.join(", ")} and --help.`, width),
    "More: banger <command> --help",
  ]);
}

const rootExamples: readonly Example[] = [
  { command: "vm run ./repo -- make test", note: "a command on a repository, in a fresh VM" },
  { command: "vm run --rm", note: "a shell in a VM that goes away afterwards" },
  { command: "vm list", note: "what runs" },
];

export async function groupHelp(name: string, group: Group, width = lineWidth): Promise<string> {
  return sections([
    wrap(group.summary, width),
    group.details === undefined ? "" : wrap(group.details, width),
    group.examples.length === 0 ? "" : block("Examples", exampleRows(group.examples, width)),
    block("Commands", columns(await summaries(group.commands), width)),
    wrap(aliasLine(group), width),
    wrap(`More: banger ${name} <command> --help`, width),
  ]);
}

function aliasLine({ aliases = {} }: Group): string {
  const said = Object.entries(aliases).map(([alias, command]) => `${alias} for ${command}`);
  return said.length === 0 ? "" : `Also understood: ${said.join(", ")}`;
}

export function commandHelp(path: string, command: Command, width = lineWidth): string {
  const args = positionalsOf(command);
  const flags = flagsOf(command);
  const words = args.map((arg) => {
    const name = `${arg.name}${arg.many ? "..." : ""}`;
    return arg.required ? `<${name}>` : `[${name}]`;
  });
  for (const { long, value, required } of flags) if (required) words.unshift(`${long} ${value}`);
  if (flags.length > 0) words.unshift("[flags]");
  const { rest } = command;
  if (rest !== undefined) words.push(rest.required ? `-- <${rest.name}...>` : `[-- ${rest.name}...]`);
  const argRows = args.map((arg): [string, string] => [arg.name, arg.description]);
  if (rest !== undefined) argRows.push([rest.name, rest.description]);
  const flagRows = flags.map((flag): [string, string] => [
    `${flag.short === undefined ? "    " : `${flag.short}, `}${flag.long}${flag.value === undefined ? "" : ` ${flag.value}`}`,
    flag.description,
  ]);
  return sections([
    wrap(command.summary, width),
    block("Examples", exampleRows(command.examples, width)),
    block("Usage", `  banger ${[path, ...words].join(" ")}`),
    command.details === undefined ? "" : wrap(command.details, width),
    argRows.length === 0 ? "" : block("Arguments", columns(argRows, width)),
    flagRows.length === 0 ? "" : block("Flags", columns(flagRows, width)),
  ]);
}

async function summaries(commands: Group["commands"]): Promise<[string, string][]> {
  return Promise.all(
    Object.entries(commands).map(
      async ([name, load]): Promise<[string, string]> => [name, (await load()).command.summary],
    ),
  );
}

function exampleRows(examples: readonly Example[], width: number): string {
  return columns(
    examples.map(({ command, note }) => [`banger ${command}`, note]),
    width,
  );
}

function block(title: string, body: string): string {
  return `${title}:\n${body}`;
}

function sections(parts: readonly string[]): string {
  return parts.filter((part) => part !== "").join("\n\n");
}

/** What nearly every terminal has; the caller knows of narrower ones. */
const lineWidth = 80;
/** Beside less room than this for it, a description begins on a line of its own. */
const leastDescription = 34;
const ownLine = " ".repeat(6);

function columns(rows: readonly [string, string][], width: number): string {
  const fits = rows.filter(([left]) => width - left.length - 4 >= leastDescription);
  const leftWidth = Math.max(0, ...fits.map(([left]) => left.length));
  return rows.map((row) => hanging(row, leftWidth, width)).join("\n");
}

/** One row, its description wrapped in a column of its own, or below. */
function hanging([left, right]: [string, string], leftWidth: number, width: number): string {
  if (left.length > leftWidth)
    return [`  ${left}`, ...wrapWords(right, width - ownLine.length).map((line) => ownLine + line)].join(
      "\n",
    );
  const [first = "", ...more] = wrapWords(right, width - leftWidth - 4);
  const indent = " ".repeat(leftWidth + 4);
  return [`  ${left.padEnd(leftWidth)}  ${first}`.trimEnd(), ...more.map((line) => indent + line)].join("\n");
}

function wrap(paragraph: string, width: number): string {
  return wrapWords(paragraph, width - 2).join("\n");
}
