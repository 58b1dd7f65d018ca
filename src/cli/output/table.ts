/** Tables and key/value rows, aligned by what a terminal shows, with every cell made harmless. */
import type { Context, Terminal } from "../context.ts";
import { escapeLine } from "./escape.ts";

/** Rows under a header, columns two spaces apart, nothing trailing. */
export function renderTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [header, ...rows.map((row) => row.map((cell) => escapeLine(cell)))];
  const widths = header.map((_, column) => Math.max(...cells.map((row) => width(row[column] ?? ""))));
  return cells.map((row) => line(row, widths)).join("\n");
}

/**
 * The same for a terminal of so many columns: while a line would be longer, columns go, in the order of `expendable`. A pipe gets
 * them all.
 */
export function renderTableFor(
  ctx: { tty: Pick<Terminal, "stdout" | "size"> },
  header: readonly string[],
  rows: readonly (readonly string[])[],
  expendable: readonly string[],
): string {
  const whole = renderTable(header, rows);
  if (!ctx.tty.stdout) return whole;
  const [first, ...others] = expendable.filter((name) => header.includes(name));
  const longest = Math.max(...whole.split("\n").map(width));
  if (first === undefined || longest <= ctx.tty.size().columns) return whole;
  const without = (cells: readonly string[]) => cells.filter((_, column) => header[column] !== first);
  return renderTableFor(ctx, without(header), rows.map(without), others);
}

/** The same, and what is still too long then loses the end of its last column, which is prose. */
export function renderProseTable(...table: Parameters<typeof renderTableFor>): string {
  const [{ tty }] = table;
  const text = renderTableFor(...table);
  if (!tty.stdout) return text;
  const { columns } = tty.size();
  const cut = (row: string): string => (width(row) <= columns ? row : `${fitting(row, columns - 3)}...`);
  return text.split("\n").map(cut).join("\n");
}

/** The beginning of a line that so many columns have room for. */
export function fitting(text: string, columns: number): string {
  let fit = "";
  for (const character of text) {
    if (width(fit + character) > columns) break;
    fit += character;
  }
  return fit;
}

/** `key:  value` rows. */
export function renderRecord(rows: readonly (readonly [string, string])[]): string {
  const widths = [Math.max(...rows.map(([key]) => width(key) + 1))];
  return rows.map(([key, value]) => line([`${key}:`, escapeLine(value)], widths)).join("\n");
}

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

function jsonEscape(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function line(row: readonly string[], widths: readonly number[]): string {
  return row
    .map((cell, column) => cell + " ".repeat(Math.max(0, (widths[column] ?? 0) - width(cell))))
    .join("  ")
    .trimEnd();
}

function width(text: string): number {
  return Bun.stringWidth(text);
}
