/** `banger doctor --fix`: what a report's remedies have that a program may do, named, asked for, and done one by one. */
import { BangerError, toBangerError } from "../../base/base.ts";
import type { Fix, Report } from "../../doctor/doctor.ts";
import { confirm } from "../confirm.ts";
import type { Context } from "../context.ts";
import { escapeLine } from "../output/escape.ts";

export interface Mended {
  /** As it is typed. */
  line: string;
  /** Whose remedy it is. */
  checks: readonly string[];
  outcome: "done" | "failed" | "declined" | "needs root";
}

/** Each fix once, however many checks it is for; what fails comes first. */
function fixesOf({ results }: Report): { fix: Fix; checks: string[] }[] {
  const found = new Map<string, { fix: Fix; checks: string[] }>();
  for (const state of ["fail", "warn"] as const)
    for (const { id, fixes } of results.filter((each) => each.state === state))
      for (const fix of fixes) {
        const known = found.get(fix.line) ?? { fix, checks: [] };
        known.checks.push(id);
        found.set(fix.line, known);
      }
  return [...found.values()];
}

/** Nothing is done that was not named before. Without `yes` each is asked for. */
export async function mend(report: Report, yes: boolean, ctx: Context): Promise<Mended[]> {
  const mended: Mended[] = [];
  for (const { fix, checks } of fixesOf(report)) {
    if (ctx.signal.aborted) throw new BangerError("cancelled", "cancelled");
    const outcome = await apply(fix, checks, yes, ctx);
    mended.push({ line: fix.line, checks, outcome });
  }
  if (mended.length === 0) ctx.note("there is nothing here that --fix could do");
  return mended;
}

async function apply(
  fix: Fix,
  checks: readonly string[],
  yes: boolean,
  ctx: Context,
): Promise<Mended["outcome"]> {
  const line = escapeLine(fix.line);
  const named = `for ${checks.join(", ")}: ${ctx.style.bold(line)}`;
  if (!fix.possible) {
    ctx.err(`${named}  (needs root: run it yourself, or sudo banger doctor --fix)`);
    return "needs root";
  }
  if (yes) ctx.note(named);
  else {
    ctx.err(named);
    if (!(await confirm(ctx, "run it?", "without questions: banger doctor --fix --yes"))) return "declined";
  }
  const status = await ctx.runProgram(fix.command).catch((error: unknown) => toBangerError(error).message);
  if (status === 0) return "done";
  ctx.err(
    `${ctx.style.red("banger:")} ${line} ${typeof status === "number" ? `ended with ${status}` : `could not be run: ${status}`}`,
  );
  return "failed";
}
