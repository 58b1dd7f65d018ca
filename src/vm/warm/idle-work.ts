/** What a daemon does while nobody waits for anything: one piece at a time, taken back when somebody comes. */
export interface IdleJob {
  /** For so long nothing else must have gone on before it is begun, in ms. */
  quietMs: number;
  /** Never rejects. Aborted, it takes back what it has done; it is asked for again some time after. */
  run(signal: AbortSignal): Promise<void>;
}

export interface IdleSource {
  /** What is to be done next, if anything. */
  next(): IdleJob | undefined;
}

export class IdleWork {
  #others = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #doing: { abort: AbortController; over: Promise<void> } | undefined;
  #closed = false;
  readonly #sources: IdleSource[] = [];

  /** `changed` is called after each piece of work. */
  constructor(private readonly changed: () => void) {}

  /** Those added first come first. */
  add(source: IdleSource): void {
    this.#sources.push(source);
  }

  get busy(): boolean {
    return this.#doing !== undefined;
  }

  /** Runs real work: what is being done is taken back for it. */
  beside<T>(work: () => Promise<T>): Promise<T> {
    this.#doing?.abort.abort();
    return this.first(work);
  }

  /** Runs what comes first, but is not waited for: what is being done goes on, and nothing more is begun. */
  async first<T>(work: () => Promise<T>): Promise<T> {
    this.#others += 1;
    clearTimeout(this.#timer);
    try {
      return await work();
    } finally {
      this.#others -= 1;
      this.arm();
    }
  }

  /** A source has something to do, or nothing any more. */
  arm(): void {
    clearTimeout(this.#timer);
    if (this.#others > 0 || this.#doing !== undefined || this.#closed) return;
    const job = this.#next();
    if (job === undefined) return;
    this.#timer = setTimeout(() => {
      const abort = new AbortController();
      const over = job.run(abort.signal).finally(() => {
        this.#doing = undefined;
        this.arm();
        this.changed();
      });
      this.#doing = { abort, over };
    }, job.quietMs);
    this.#timer.unref();
  }

  #next(): IdleJob | undefined {
    for (const source of this.#sources) {
      const job = source.next();
      if (job !== undefined) return job;
    }
    return undefined;
  }

  /** Takes back what is being done; nothing more is begun. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#doing?.abort.abort();
    await this.#doing?.over;
  }
}
