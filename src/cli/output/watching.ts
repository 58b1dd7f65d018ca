/** What is shown again and again, or as it comes, until somebody has seen enough. */
import { BangerError } from "../../base/base.ts";
import type { Context } from "../context.ts";
import { interruptOf } from "../interrupts.ts";
import { fitting } from "./table.ts";

/** Between two looks, in ms. */
export const watchMs = 2_000;

type WatchContext = Pick<Context, "stdout" | "tty" | "signal" | "every" | "env" | "out">;

/** As long as somebody reads: aborted by an interrupt, and when whoever read our output has gone. */
export function whileRead({ stdout, signal }: Pick<Context, "stdout" | "signal">): AbortSignal {
  const gone = new AbortController();
  for (const event of ["close", "error"]) stdout.once(event, () => gone.abort());
  return AbortSignal.any([signal, gone.signal]);
}

/** Ctrl-C is how one ends what has no end of its own, and no failure. Throws cancelled for other interrupts. */
export function seenEnough({ signal }: Pick<Context, "signal">): void {
  if (signal.aborted && interruptOf(signal.reason) !== "SIGINT")
    throw new BangerError("cancelled", "cancelled");
}

/** Shows what `text` says, and again every two seconds: on a terminal in the same place, else below each other. */
export async function watchText(ctx: WatchContext, text: () => Promise<string>): Promise<void> {
  const reading = whileRead(ctx);
  const live = ctx.tty.stdout && ctx.env.TERM !== "dumb";
  const region = new Region(ctx);
  const forget = live ? ctx.tty.onResize(() => region.forget()) : () => {};
  try {
    while (!reading.aborted) {
      const now = await text();
      if (live) region.show(now);
      else ctx.out(now);
      await pause(ctx, watchMs, reading);
    }
  } catch (error) {
    if (!reading.aborted) throw error;
  } finally {
    forget();
  }
  // Behind the ^C that the terminal shows.
  if (live && ctx.signal.aborted) ctx.stdout.write("\n");
  seenEnough(ctx);
}

/** Resolves after so long, or when `until` is aborted. */
export function pause({ every }: Pick<Context, "every">, ms: number, until: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      stop();
      until.removeEventListener("abort", over);
      resolve();
    };
    const stop = every(ms, over);
    until.addEventListener("abort", over, { once: true });
    if (until.aborted) over();
  });
}

/** Lines that are written over in place, in one write: a terminal shows no state between. */
class Region {
  #lines = 0;

  constructor(private readonly ctx: Pick<Context, "stdout" | "tty">) {}

  show(text: string): void {
    const { columns, rows } = this.ctx.tty.size();
    const all = text.split("\n");
    const shown = all.length < rows ? all : [...all.slice(0, rows - 2), `... ${all.length - rows + 2} more`];
    const up = this.#lines > 0 ? `\x1b[${this.#lines}A` : "";
    // What was there before goes first: behind a line as wide as the terminal its last character would go, too.
    const lines = shown.map((line) => `\x1b[K${fitting(line, columns)}\n`).join("");
    this.ctx.stdout.write(`${up}\r${lines}\x1b[J`);
    this.#lines = shown.length;
  }

  /** The terminal has another size: nobody knows where the lines are. */
  forget(): void {
    this.ctx.stdout.write("\x1b[2J\x1b[H");
    this.#lines = 0;
  }
}
