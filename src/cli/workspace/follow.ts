/** How far a guest's work has come on its way here, for whoever sits before a terminal; elsewhere nothing is said of it. */
import type { Context } from "../context.ts";
import { startProgress } from "../output/progress.ts";

export interface Following {
  /** The same chunks, counted. */
  counted(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>;
  /** Everything is here, or has failed. Nothing stays on the terminal. */
  end(): void;
}

/** `checked`: what has come is looked at before it is taken. `shown`: it goes to the terminal itself, which is then its own. */
export function followWork(ctx: Context, how: { checked?: boolean; shown?: boolean } = {}): Following {
  if (!ctx.tty.stderr) return { counted: (chunks) => chunks, end: () => {} };
  const progress = startProgress(ctx);
  const stage = (name: string, status: "begin" | "done") =>
    progress.event({ kind: "stage", stage: name, status });
  stage("guest_work", "begin");
  return {
    counted: async function* (chunks) {
      let done = 0;
      for await (const chunk of chunks) {
        if (done === 0) {
          if (how.shown === true) progress.end();
          stage("guest_work", "done");
        }
        done += chunk.length;
        progress.event({ kind: "stage", stage: "bring_home", status: "progress", done, unit: "bytes" });
        yield chunk;
      }
      stage("bring_home", "done");
      if (how.checked === true) stage("check_work", "begin");
    },
    end: () => progress.end(),
  };
}
