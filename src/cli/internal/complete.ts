/**
 * banger internal complete: what fits at the end of a command line, for the scripts of `banger completion`.
 *
 * The first line says what else the shell may offer: `files`, `directories` or `nothing`. Each other line is a word and,
 * behind a tab, what it is. Nothing else is ever printed, and the status is 0: somebody is in the midst of typing.
 */
import { defineCommand } from "../command.ts";
import { namesFor } from "../completion/names.ts";
import { type Candidate, positionOf } from "../completion/position.ts";
import type { Completes } from "../option.ts";
import { escapeLine } from "../output/escape.ts";

/** As much as stands beside a word in a list. */
const longestAbout = 60;

export const command = defineCommand({
  summary: "say what fits at the end of a command line",
  examples: [{ command: "internal complete -- vm show ''", note: "names of VMs, if the daemon runs" }],
  args: {},
  flags: {},
  rest: {
    name: "words",
    description: "what has been typed after banger; the last word may be empty",
    required: true,
  },
  run: async ({ rest = [] }, ctx) => {
    const position = await positionOf(rest);
    const names = await namesFor(position, ctx);
    const lines = [
      ...position.words,
      ...names.map(({ word, about }) => ({ word: position.prefix + word, about })),
    ].flatMap(line);
    const kind = position.names === undefined ? undefined : besides[position.names];
    ctx.out([kind ?? "nothing", ...lines].join("\n"));
    return undefined;
  },
});

/** What the shell itself may offer. */
const besides: { [C in Completes]?: string } = { place: "files", file: "files", directory: "directories" };

/** A name that a terminal would obey is nobody's to type. */
function line({ word, about }: Candidate): string[] {
  if (escapeLine(word) !== word) return [];
  const shown = escapeLine(about);
  return [`${word}\t${shown.length <= longestAbout ? shown : `${shown.slice(0, longestAbout - 3)}...`}`];
}
