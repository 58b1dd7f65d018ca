/** Work that goes on beside the rest of a task, which neither ends without it nor leaves it behind. */
export class Background {
  readonly #running = new Set<Promise<void>>();
  readonly #stopped = new AbortController();
  #failure: { error: unknown } | undefined;
  /** What the work goes by: the task's own, aborted also when the task has failed. */
  readonly signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.signal = AbortSignal.any([signal, this.#stopped.signal]);
  }

  /** A failure is thrown to whoever waits for what this returns, which nobody has to; and by finish(). */
  start(work: () => Promise<void>): Promise<void> {
    const done = work();
    const over = done
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(over));
    this.#running.add(over);
    return done;
  }

  /** For a task that is done: waits for all of the work. Throws the first failure. */
  async finish(): Promise<void> {
    await this.#end();
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  /** For a task that may have failed: ends the work. Nothing goes on any more afterwards, and nothing is thrown. */
  async stop(): Promise<void> {
    this.#stopped.abort(new Error("what this was for is not made any more"));
    await this.#end();
  }

  async #end(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }
}
