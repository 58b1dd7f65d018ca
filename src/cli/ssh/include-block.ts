/**
 * banger's lines in somebody's ~/.ssh/config, and nothing else of it. Texts are bytes as latin1: what is not banger's is kept
 * as it is, in whatever encoding.
 *
 * The lines come first, because an Include after a Host or Match belongs to that.
 */
import { BangerError } from "../../base/base.ts";
import { includePath } from "./quote.ts";

const begin = "# >>> banger >>> written by `banger ssh-config --install`, taken out by --uninstall";
/** Behind the first line, where there was no file before. */
const madeFor = ", with this file";
const end = "# <<< banger <<<";
const beginMark = /^# >>> banger >>>/;
const endMark = /^# <<< banger <<</;

/** The one line that has OpenSSH read banger's file. */
export function includeLine(file: string): string {
  return `Include ${includePath(file)}`;
}

/** With banger's lines at the top, and nowhere else; `isNew`: of a file that is made for them. Throws precondition for lines that somebody has changed. */
export function withBlock(text: string, file: string, isNew = false): string {
  const rest = withoutBlock(text);
  const first = isNew || madeForBlock(text) ? begin + madeFor : begin;
  const newline = /\r?\n/.exec(rest)?.[0] ?? "\n";
  const lines = [first, Buffer.from(includeLine(file)).toString("latin1"), end];
  return lines.map((line) => line + newline).join("") + rest;
}

/** Without them. Throws precondition when what is between the markers, or one of these, is not what banger has written. */
export function withoutBlock(text: string): string {
  // Each with its end of line.
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const marked = (mark: RegExp) => lines.flatMap((line, index) => (mark.test(line) ? [index] : []));
  const begins = marked(beginMark);
  const ends = marked(endMark);
  const [from] = begins;
  const [to] = ends;
  if (from === undefined && to === undefined) return text;
  if (from === undefined) throw damaged(`line ${at(to)} ends lines of banger's that nothing begins`);
  if (to === undefined) throw damaged(`line ${at(from)} begins lines of banger's that nothing ends`);
  if (begins.length > 1 || ends.length > 1)
    throw damaged(
      `lines ${[...begins, ...ends]
        .sort((a, b) => a - b)
        .map(at)
        .join(", ")} all mark banger's lines`,
    );
  if (to !== from + 2 || !/^Include /.test(lines[from + 1] ?? ""))
    throw damaged(`between lines ${at(from)} and ${at(to)} there are others than banger's`);
  return [...lines.slice(0, from), ...lines.slice(to + 1)].join("");
}

/** Whether the file was made for banger's lines. */
export function madeForBlock(text: string): boolean {
  return text.split(/\r?\n/).includes(begin + madeFor);
}

/** As editors count. */
function at(index: number | undefined): string {
  return String((index ?? 0) + 1);
}

function damaged(what: string): BangerError {
  return new BangerError("precondition", `it is left as it is: ${what}`, {
    hint: `take out by hand what is between and including "# >>> banger >>>" and "${end}", and try again`,
  });
}
