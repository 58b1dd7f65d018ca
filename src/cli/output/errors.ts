/** The one place where an error becomes lines on stderr and an exit status. */
import { BangerError, errorCodes, toBangerError } from "../../base/base.ts";
import type { Context } from "../context.ts";
import { escapeLine, escapeText } from "./escape.ts";

/** Prints `banger: message (op ID)` and the hint; answers the exit status. */
export function renderError(error: unknown, ctx: Context): number {
  const failure = toBangerError(error);
  for (const line of errorLines(failure, ctx)) ctx.err(line);
  if (failure.code === "internal" && error instanceof Error && ctx.env.BANGER_LOG_LEVEL === "debug") {
    ctx.err(escapeText(error.stack ?? ""));
  }
  return errorCodes[failure.code].exit;
}

export function errorLines(failure: BangerError, ctx: Pick<Context, "style">): string[] {
  const { style } = ctx;
  const [first = "", ...more] = failure.message.split("\n").map(escapeLine);
  const op = failure.opId === undefined ? "" : ` ${style.dim(`(op ${escapeLine(failure.opId)})`)}`;
  const lines = [`${style.red("banger:")} ${first}${more.length === 0 ? op : ""}`];
  for (const [index, line] of more.entries()) {
    lines.push(`        ${line}${index === more.length - 1 ? op : ""}`);
  }
  if (failure.hint !== undefined) lines.push(`  ${style.dim("hint:")} ${escapeText(failure.hint)}`);
  return lines;
}

/** A failure that reached us as plain data inside a result. */
export function fromWire(error: { code: string; message: string; hint?: string | undefined }): BangerError {
  const code = Object.hasOwn(errorCodes, error.code)
    ? (error.code as keyof typeof errorCodes)
    : "operation_failed";
  return new BangerError(code, error.message, { hint: error.hint });
}
