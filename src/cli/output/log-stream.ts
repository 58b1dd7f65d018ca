/** Logs that others wrote: raw bytes into a pipe, made harmless for a terminal. */
import { type Readable, Transform } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { BangerError } from "../../base/base.ts";
import type { Context } from "../context.ts";
import { copyOut, isReaderGone } from "../guest/streams.ts";
import { escapeLine } from "./escape.ts";

/**
 * Prints until the log or its reader ends, or an interrupt does: then throws cancelled, like any other command. Returns
 * whether there was anything to print; tells `onFirst` of the first of it.
 */
export async function showLog(ctx: Context, log: Readable, onFirst: () => void = () => {}): Promise<boolean> {
  let bytes = 0;
  const leave = () => log.destroy();
  ctx.signal.addEventListener("abort", leave, { once: true });
  const shown = ctx.tty.stdout ? log.pipe(harmless()) : log;
  log.on("error", () => shown.destroy());
  log.on("close", () => {
    if (!log.readableEnded && shown !== log) shown.destroy();
  });
  try {
    await copyOut(
      shown,
      () => ctx.stdout,
      (more) => {
        if (bytes === 0) onFirst();
        bytes += more;
      },
    );
  } catch (error) {
    if (!ctx.signal.aborted && !isReaderGone(error)) throw error;
  } finally {
    ctx.signal.removeEventListener("abort", leave);
    log.destroy();
  }
  if (ctx.signal.aborted) throw new BangerError("cancelled", "cancelled");
  return bytes > 0;
}

/** Colours (SGR) and line ends stay, everything else that a terminal obeys is shown as an escape. */
export function harmless(): Transform {
  const decoder = new StringDecoder("utf8");
  let held = "";
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      const text = held + decoder.write(chunk);
      // A sequence may be cut by the chunk's end: hold back what could be the beginning of one.
      const cut = /(?:\x1b(?:\[[0-9;]{0,32})?|\r)$/.exec(text)?.index ?? text.length;
      held = text.slice(cut);
      done(null, clean(text.slice(0, cut)));
    },
    flush(done) {
      done(null, clean(held + decoder.end()));
    },
  });
}

// What looks back has a guest's thousand carriage returns looked through once, and not from each of them.
const kept = /(\x1b\[[0-9;]{0,32}m|(?<!\r)\r*\n|\t)/;

function clean(text: string): string {
  return text
    .split(kept)
    .map((piece, index) => (index % 2 === 1 ? (piece.endsWith("\n") ? "\n" : piece) : escapeLine(piece)))
    .join("");
}
