/** The line that does the same as root. */
import { shellWord } from "../../base/base.ts";
import type { Context } from "../context.ts";

/** With the executable's full path, because sudo looks for programs in places of its own. */
export function sudoLine(ctx: Pick<Context, "self">, words: readonly string[]): string {
  return ["sudo", ...ctx.self, ...words].map(shellWord).join(" ");
}
