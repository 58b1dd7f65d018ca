/** Lines for a person, broken where words end: a terminal by itself breaks them where its columns do. */
import type { Terminal } from "../context.ts";
import { wrapWords } from "./wrap.ts";

/** Narrower than this there is no room to wrap in: what is said goes on as it is. */
const leastRoom = 20;

/** What a command and its arguments look like behind prose: they are to be pasted, so they stay on one line. */
const commandWords = /(?:^|(?<=: |, |or |with ))(?:sudo )?(?:banger|git) [^,;()]+/;

/** An absolute path at a line's end, with spaces but for its last part: to be pasted, too. A word that begins with / is another path. */
const lastPath = /(?<=: |(?:at|for|in|of|to) )\/(?:[^ ;,()]| (?!\/)(?=.*\/))+$/;

const whole = new RegExp(`${commandWords.source}|${lastPath.source}`, "g");

/** What comes first on a line, by itself: what is below it begins behind it. */
const label = /^(?:banger|warning|note| *hint): +/;

/** `text`, which may have several lines, for a stderr that is `tty`: a pipe gets each line whole. */
export function wrapNotice(text: string, tty: Pick<Terminal, "stderr" | "size">): string {
  if (!tty.stderr) return text;
  const { columns } = tty.size();
  return text
    .split("\n")
    .flatMap((line) => wrapLine(line, columns))
    .join("\n");
}

function wrapLine(line: string, columns: number): string[] {
  const plain = Bun.stripANSI(line);
  const lead = /^ */.exec(line)?.[0].length ?? 0;
  const indent = label.exec(plain)?.[0].length ?? lead;
  // Columns of a table have been fitted by whoever made it.
  const isTable = (plain.slice(indent).match(/ {2,}/g)?.length ?? 0) > 1;
  if (Bun.stringWidth(line) <= columns || isTable || columns - indent < leastRoom) return [line];
  const [first = "", ...more] = wrapWords(pieces(line.slice(lead)), columns - indent, columns - lead);
  return [" ".repeat(lead) + first, ...more.map((part) => " ".repeat(indent) + part)];
}

/** Its words; what is to be pasted is one. */
export function pieces(line: string): string[] {
  const found: string[] = [];
  let from = 0;
  for (const { 0: command, index } of line.matchAll(whole)) {
    const pasted = command.trimEnd();
    found.push(...line.slice(from, index).split(" ").slice(0, -1), pasted);
    from = index + pasted.length;
    // What is written right behind it goes with it.
    const tail = /^[^ ]*/.exec(line.slice(from))?.[0] ?? "";
    found[found.length - 1] = pasted + tail;
    from += tail.length;
    if (line[from] === " ") from += 1;
  }
  if (from < line.length) found.push(...line.slice(from).split(" "));
  return found;
}
