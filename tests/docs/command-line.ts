/** Whether banger would take a command line that documentation shows: by its own parser, without running anything. */
import type { Command } from "../../src/cli/command.ts";
import { globalFlags } from "../../src/cli/global-flags.ts";
import type { Option } from "../../src/cli/option.ts";
import { allFlagsOf, parseInput } from "../../src/cli/parse.ts";
import { findTarget } from "../../src/cli/run-cli.ts";

/** VM, HOST:PORT, a.b/IMAGE, $USER, ./PATH...: what a reader puts something else in the place of. */
const placeholder = /(^|[^A-Za-z])([A-Z][A-Z_]+|[A-Z])($|[^a-z])|\$|\.\.\./;

/** Why it would not be taken; undefined: it would. `mention`: in a sentence, where what is left out is not missing. */
export async function refusal(words: readonly string[], mention = false): Promise<string | undefined> {
  const own = mention ? words.filter((word) => !/^(\.\.\.|\[.*|.*\])$/.test(word)) : words;
  const help = /^(--help|-h|--version|help)$/;
  if (help.test(own[0] ?? "") || own.includes("--help") || own.includes("-h")) {
    return refusal(own.filter((word) => !help.test(word)).slice(0, 2), true);
  }
  const every = Object.keys(globalFlags).map((name) => `--${name}`);
  try {
    const target = findTarget(own.filter((word) => !every.includes(word)));
    if (target.kind !== "command") {
      if (mention) return undefined;
      return target.kind === "root" ? undefined : `${own.join(" ")} is no command, but a group of them`;
    }
    const { command } = await target.load();
    parseInput(readingNoPlaceholders(command), target.path, target.words);
    return undefined;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    if (mention && /(is missing|needs a value)/.test(message)) return undefined;
    return message;
  }
}

/** Every flag of every one of `commands`, as it is written. */
export function flagsOf(command: Command): string[] {
  return allFlagsOf(command).flatMap(({ long, short }) => (short === undefined ? [long] : [long, short]));
}

function readingNoPlaceholders(command: Command): Command {
  return { ...command, args: lenient(command.args), flags: lenient(command.flags) };
}

function lenient<O extends Option>(options: Readonly<Record<string, O>>): Record<string, O> {
  return Object.fromEntries(
    Object.entries(options).map(([key, option]) => {
      if (option.kind === "switch") return [key, option];
      const read = (given: string) => (placeholder.test(given) ? given : option.read(given));
      return [key, { ...option, read }];
    }),
  );
}
