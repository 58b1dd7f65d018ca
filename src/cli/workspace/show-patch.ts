/** What a guest's git writes, on its way to somebody: exact into a file or a pipe, harmless and coloured on a terminal. */
import { StringDecoder } from "node:string_decoder";
import type { Context } from "../context.ts";
import { copyOut, isReaderGone } from "../guest/streams.ts";
import { escapeLine } from "../output/escape.ts";
import { styleFor } from "../output/style.ts";

/** A patch that is looked at or applied; who has more moves files otherwise. */
export const mostPatchBytes = 4 * 1024 ** 3;
/** A longer line is shown in pieces: guests need not end lines. */
const mostHeld = 64 * 1024;

/** `forPeople`: shown harmless wherever it goes. A reader that goes away early is no error. */
export async function showPatch(
  ctx: Context,
  output: AsyncIterable<Uint8Array>,
  { forPeople = false }: { forPeople?: boolean } = {},
): Promise<void> {
  const shown = ctx.tty.stdout || forPeople ? harmless(ctx, output) : output;
  try {
    await copyOut(shown, () => ctx.stdout);
  } catch (error) {
    if (!isReaderGone(error)) throw error;
  }
}

async function* harmless(ctx: Context, output: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const decoder = new StringDecoder("utf8");
  const paint = painter(ctx);
  let held = "";
  for await (const chunk of output) {
    const lines = (held + decoder.write(Buffer.from(chunk))).split("\n");
    held = lines.pop() ?? "";
    if (lines.length > 0) yield Buffer.from(lines.map((line) => `${paint(line)}\n`).join(""));
    if (held.length < mostHeld) continue;
    yield Buffer.from(tabbed(held));
    held = "";
  }
  held += decoder.end();
  if (held !== "") yield Buffer.from(`${paint(held)}\n`);
}

/** The colours that git has. */
function painter(ctx: Context): (line: string) => string {
  const style = styleFor(ctx.tty.stdout, ctx.env);
  return (line) => {
    const text = tabbed(line);
    if (/^(?:diff --git |index |--- |\+\+\+ |(?:new|deleted) file mode )/.test(line)) return style.bold(text);
    if (line.startsWith("@@")) return style.dim(text);
    if (line.startsWith("+")) return style.green(text);
    return line.startsWith("-") ? style.red(text) : text;
  };
}

/** Tabs are harmless, and code is full of them. */
function tabbed(line: string): string {
  return line.split("\t").map(escapeLine).join("\t");
}
