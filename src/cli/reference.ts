/** docs/commands.md: every command's help, in one page. */
import { groups, topLevel } from "./commands.ts";
import { commandHelp, groupHelp, rootHelp } from "./help.ts";
import { wrapWords } from "./output/wrap.ts";

export async function commandReference(): Promise<string> {
  const parts = [
    "# Commands",
    "Made from the commands' own definitions by `bun scripts/gen.ts`: edit those, not this page.",
    conventions.map((each) => `- ${wrapWords(each, lineWidth - 2).join("\n  ")}`).join("\n"),
    fenced(await rootHelp()),
  ];
  for (const [name, group] of Object.entries(groups)) {
    if (group.hidden === true) continue;
    parts.push(`## banger ${name}`, fenced(await groupHelp(name, group)));
    for (const [word, load] of Object.entries(group.commands)) {
      const path = `${name} ${word}`;
      parts.push(`### banger ${path}`, fenced(commandHelp(path, (await load()).command)));
    }
  }
  for (const [name, load] of Object.entries(topLevel)) {
    parts.push(`## banger ${name}`, fenced(commandHelp(name, (await load()).command)));
  }
  return `${parts.join("\n\n")}\n`;
}

/** Of this page's own prose. */
const lineWidth = 132;

/** What all commands have in common. */
export const conventions: readonly string[] = [
  "Results go to stdout; progress, notices and errors to stderr.",
  "Exit status: 0 when all went well, 2 for a command or flag that does not exist, 1 for any other failure. With a command for the guest (`vm run -- cmd`, `vm exec`) or ssh (`vm ssh`) it is that program's own status; one that died of a signal counts as 128 + its number. Interrupted: 130 (Ctrl-C), 143 (SIGTERM), 129 (SIGHUP).",
  "A VM is named by its name, its id, or the beginning of its id. Commands that take several go on with the others when one fails, and then end with status 1.",
  "Every command takes `-q, --quiet` (results and errors only: no progress, no notices) and `-v, --verbose` (which calls are made, their op ids, by which the daemon's log knows them, and how long each stage took), before or behind its own words.",
  "With `--json` a command prints a record, or an array of them, of what it has listed, made or changed; errors stay text, on stderr.",
  "Colour and live progress only on a terminal; never with `NO_COLOR`. There tables, help, notices and errors fit its width; a pipe gets everything.",
  "Ctrl-C ends a command in order, and it says what is left; a second one ends it at once.",
  "During a command without a terminal the first two Ctrl-C go to the command; the third within two seconds leaves it.",
];

function fenced(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\``;
}
