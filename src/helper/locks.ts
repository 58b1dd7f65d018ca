/** Locks by name, within this process: who waits for one gets it in the order of coming. */
export class Locks {
  readonly #last = new Map<string, Promise<void>>();

  /** Runs `act` while nobody else holds `name`; an empty name is no lock. Rejects with the signal's reason when it is aborted before. */
  async holding<T>(name: string, signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    if (name === "") return act();
    const before = this.#last.get(name);
    const done = Promise.withResolvers<void>();
    const mine = Promise.all([before, done.promise]).then(() => {});
    this.#last.set(name, mine);
    try {
      await before;
      signal.throwIfAborted();
      return await act();
    } finally {
      done.resolve();
      if (this.#last.get(name) === mine) this.#last.delete(name);
    }
  }
}
