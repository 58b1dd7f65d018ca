/** Arguments as the kernel has them. Bun makes text of them, and of bytes that are no UTF-8 something else. */
import { readFileSync } from "node:fs";
import { BangerError } from "../base/base.ts";

const replacement = "\ufffd";

/** Throws bad_request when `words` are not what was typed: another name than the one that was meant. */
export function checkWords(words: readonly string[]): void {
  if (!words.some((word) => word.includes(replacement))) return;
  // The replacement character may have been typed as such.
  const typed = readFileSync("/proc/self/cmdline");
  if (Buffer.from(typed.toString("utf8")).equals(typed)) return;
  const shown = words.find((word) => word.includes(replacement));
  throw new BangerError("bad_request", `the argument ${JSON.stringify(shown)} is not UTF-8`, {
    hint: "banger passes text only: name such a file in a script of the workspace, or by standard input",
  });
}
