/** Work that several callers want at once: done once, told to all of them, given up when the last one gives up. */
import { BangerError } from "../../base/base.ts";
import type { LifecycleEvent } from "../../rpc/rpc.ts";
import type { ProgressContext } from "../parts.ts";

interface Running {
  promise: Promise<unknown>;
  /** Ends the work, for which nobody waits any more; who asks from now on begins anew. */
  giveUp(reason: unknown): void;
  waiting: Set<ProgressContext>;
  /** The stage under way, for those who join in the middle of it. */
  stage: LifecycleEvent | undefined;
}

export class SharedWork {
  readonly #running = new Map<string, Running>();

  /** The result of `work`, begun here or by an earlier caller with this key; rejects (cancelled) on ctx's signal. */
  run<T>(key: string, ctx: ProgressContext, work: (ctx: ProgressContext) => Promise<T>): Promise<T> {
    const known = this.#running.get(key);
    const running = known ?? this.#begin(key, work);
    if (known?.stage !== undefined) ctx.emit(known.stage);
    running.waiting.add(ctx);
    // The key stands for one kind of work: it gives back what that gives.
    return this.#wait(running as Running & { promise: Promise<T> }, ctx);
  }

  #begin<T>(key: string, work: (ctx: ProgressContext) => Promise<T>): Running {
    const abort = new AbortController();
    const forget = () => {
      if (this.#running.get(key) === running) this.#running.delete(key);
    };
    const running: Running = {
      promise: Promise.resolve(),
      giveUp: (reason) => {
        forget();
        abort.abort(reason);
      },
      waiting: new Set(),
      stage: undefined,
    };
    const emit = (event: LifecycleEvent) => {
      if (event.kind === "stage") {
        if (event.status === "begin") running.stage = event;
        if (event.status === "done") running.stage = undefined;
      }
      for (const ctx of running.waiting) ctx.emit(event);
    };
    this.#running.set(key, running);
    // Begun a moment later, when its first caller is among those who are told.
    running.promise = Promise.resolve()
      .then(() => work({ signal: abort.signal, emit }))
      .finally(forget);
    return running;
  }

  async #wait<T>(running: Running & { promise: Promise<T> }, ctx: ProgressContext): Promise<T> {
    const { promise: left, reject: leave } = Promise.withResolvers<never>();
    const onAbort = () => {
      running.waiting.delete(ctx);
      if (running.waiting.size === 0) running.giveUp(ctx.signal.reason);
      // The last one waits for the work to clear up after itself.
      else leave(new BangerError("cancelled", "cancelled", { cause: ctx.signal.reason }));
    };
    ctx.signal.addEventListener("abort", onAbort, { once: true });
    if (ctx.signal.aborted) onAbort();
    try {
      return await Promise.race([running.promise, left]);
    } finally {
      ctx.signal.removeEventListener("abort", onAbort);
      running.waiting.delete(ctx);
    }
  }
}
