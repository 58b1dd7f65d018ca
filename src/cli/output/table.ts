/** Tables and key/value rows, aligned by what a terminal shows, with every cell made harmless. */
import type { Context, Terminal } from "../context.ts";
import { escapeLine } from "./escape.ts";
import { wrapWords } from "./wrap.ts";

/** Rows under a header, columns two spaces apart, nothing trailing. */
export function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [header, ...rows.map((row) => row.map((cell) => escapeLine(cell)))];
  const widths = header.map((_, column) => Math.max(...cells.map((row) => width(row[column] ?? ""))));
  return cells.map((row) => line(row, widths)).join("\n");
}

/**
 * The same for a terminal of so many columns: while a line would be longer, columns go, in the order of `expendable`; then the
 * longest cells lose their ends. A pipe gets them all, whole.
 */
export function renderTableFor(
  ctx: { tty: Pick<Terminal, "stdout" | "size"> },
  header: readonly string[],
  rows: readonly (readonly string[])[],
  expendable: readonly string[] = [],
): string {
  const whole = renderTable(header, rows);
  if (!ctx.tty.stdout) return whole;
  const { columns } = ctx.tty.size();
  if (longest(whole.split("\n")) <= columns) return whole;
  const [first, ...others] = expendable.filter((name) => header.includes(name));
  if (first === undefined) return shortened(header, rows, columns);
  const without = (cells: readonly string[]) => cells.filter((_, column) => header[column] !== first);
  return renderTableFor(ctx, without(header), rows.map(without), others);
}

/** Narrower than this a cell says nothing. */
const leastWidth = 6;

/** The widest column gives way first, so that short ones stay whole for as long as possible. */
function shortened(header: readonly string[], rows: readonly (readonly string[])[], columns: number): string {
  const cells = [header, ...rows.map((row) => row.map((cell) => escapeLine(cell)))];
  const widths = header.map((_, column) => longest(cells.map((row) => row[column] ?? "")));
  let over = widths.reduce((sum, each) => sum + each + 2, -2) - columns;
  while (over > 0) {
    const widest = Math.max(...widths);
    if (widest <= leastWidth) break;
    widths[widths.lastIndexOf(widest)] = widest - 1;
    over -= 1;
  }
  return cells
    .map((row) =>
      line(
        row.map((cell, column) => cut(cell, widths[column] ?? 0)),
        widths,
      ),
    )
    .join("\n");
}

/** With an ellipsis where it would be longer. */
function cut(text: string, columns: number): string {
  return width(text) <= columns ? text : `${fitting(text, columns - 3)}...`;
}

/** The beginning of a line that so many columns have room for. */
export function fitting(text: string, columns: number): string {
  if (width(text) <= columns) return text;
  // Looked for by halves: a guest's line may have thousands of characters that take no room.
  const characters = [...text];
  const first = (count: number) => characters.slice(0, count).join("");
  let fits = 0;
  let over = characters.length;
  while (over - fits > 1) {
    const middle = Math.floor((fits + over) / 2);
    if (width(first(middle)) <= columns) fits = middle;
    else over = middle;
  }
  return first(fits);
}

/** `key:  value` rows; on a terminal what is long goes on below itself. */
export function renderRecord(
  ctx: Pick<Context, "tty">,
  rows: readonly (readonly [string, string])[],
): string {
  const keys = longest(rows.map(([key]) => `${key}:`));
  const room = ctx.tty.stdout
    ? Math.max(leastProse, ctx.tty.size().columns - keys - 2)
    : Number.POSITIVE_INFINITY;
  return rows
    .flatMap(([key, value]) =>
      wrapWords(escapeLine(value), room).map((part, index) =>
        line([index === 0 ? `${key}:` : "", part], [keys]),
      ),
    )
    .join("\n");
}

/** Narrower than this, prose is a column of single words. */
const leastProse = 20;

/** JSON for programs; characters that a terminal would obey are written as \u escapes, which JSON allows. */
export function printJson(ctx: Pick<Context, "out">, value: unknown): void {
  ctx.out(harmlessJson(JSON.stringify(value, null, 2)));
}

/** The same as one line, for what comes again and again. */
export function jsonLine(value: unknown): string {
  return harmlessJson(JSON.stringify(value));
}

function harmlessJson(text: string): string {
  return text.replace(/[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, jsonEscape);
}

/** What a command has made or changed: its record for programs, else the line or lines that people and scripts read. */
export function printResult(
  ctx: Pick<Context, "out">,
  asJson: boolean,
  record: unknown,
  ...lines: readonly string[]
): void {
  if (asJson) printJson(ctx, record);
  else for (const each of lines) ctx.out(each);
}

function jsonEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function line(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - width(cell))))
    .join("  ")
    .trimEnd();
}

function longest(texts: readonly string[]): number {
  return Math.max(...texts.map(width));
}

function width(text: string): number {
  return Bun.stringWidth(text);
}
