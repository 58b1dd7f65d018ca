/** A question to the person before something is removed. */
import { BangerError } from "../base/base.ts";
import type { Context } from "./context.ts";
import { wrapNotice } from "./output/notice.ts";

/** Only "y" and "yes" are yes. Throws bad_request, with `otherwise` as the hint, where nobody can be asked. */
export async function confirm(ctx: Context, question: string, otherwise: string): Promise<boolean> {
  if (!ctx.tty.stdin)
    throw new BangerError("bad_request", "cannot ask: stdin is not a terminal", { hint: otherwise });
  ctx.stderr.write(`${wrapNotice(`${question} [y/N]`, ctx.tty)} `);
  return /^y(es)?$/i.test((await readLine(ctx)).trim());
}

/** One line of stdin; what ends it (end of file, an interrupt) is an empty answer or an error. */
function readLine(ctx: Context): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const detach = () => {
      ctx.stdin.off("data", onData);
      ctx.stdin.off("end", finish);
      ctx.signal.removeEventListener("abort", onAbort);
      ctx.stdin.pause();
    };
    const finish = () => {
      detach();
      resolve(text);
    };
    const onData = (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("\n") || text.length > 1024) finish();
    };
    const onAbort = () => {
      detach();
      ctx.err("");
      reject(new BangerError("cancelled", "cancelled"));
    };
    ctx.signal.addEventListener("abort", onAbort, { once: true });
    ctx.stdin.on("data", onData);
    ctx.stdin.on("end", finish);
    ctx.stdin.resume();
  });
}
