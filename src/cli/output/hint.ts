/** What to do next, for whoever looks at a list that has nothing in it. */
import type { Context } from "../context.ts";

/** Said where both the list and the hint are read by a person. */
export function hintOf(ctx: Pick<Context, "note" | "style" | "tty">, text: string): void {
  if (ctx.tty.stdout && ctx.tty.stderr) ctx.note(ctx.style.dim(text));
}
