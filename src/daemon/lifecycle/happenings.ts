/**
 * What happens to VMs, images, kernels and templates: the last of it, for those who want to see. Nothing here waits for a reader
 * or grows with one: each has a place in the one ring, and is told how much was gone before it came to it.
 */
import type { Happening } from "../../rpc/rpc.ts";

/** Some 300 KiB at most, with the longest texts. */
const usualMost = 1000;
const longestText = 300;

export interface Reader {
  /** First those of the last so many ms; undefined: none. */
  sinceMs: number | undefined;
  /** False: not what comes. */
  follow: boolean;
  signal: AbortSignal;
  emit(happening: Happening): void;
  /** Resolves when the reader can take more. */
  ready(): Promise<void>;
}

export class Happenings {
  /** `#first` is the number of the ring's first. */
  readonly #ring: Happening[] = [];
  #first = 0;
  #arrival = Promise.withResolvers<void>();

  constructor(
    private readonly log: { info(message: string, facts?: Record<string, unknown>): void },
    private readonly most = usualMost,
    private readonly now: () => number = Date.now,
  ) {}

  add(
    kind: Happening["kind"],
    subject: { id: string; name: string },
    details: Happening["details"] = {},
  ): void {
    const short = Object.entries(details).map(([key, value]) => [
      key,
      typeof value === "string" ? value.slice(0, longestText) : value,
    ]);
    const { id, name } = subject;
    const happening: Happening = {
      time: this.#time(),
      kind,
      subject: { id, name },
      details: Object.fromEntries(short),
    };
    this.log.info(kind, { [kind.split(".")[0] ?? "subject"]: id, name, ...happening.details });
    this.#ring.push(happening);
    if (this.#ring.length > this.most) {
      this.#ring.shift();
      this.#first += 1;
    }
    this.#arrival.resolve();
    this.#arrival = Promise.withResolvers();
  }

  #time(): string {
    return new Date(this.now()).toISOString();
  }

  /** Resolves when the reader has gone, or has had all that it asked for. */
  async tell({ sinceMs, follow, signal, emit, ready }: Reader): Promise<void> {
    let next = this.#beginning(sinceMs);
    while (!signal.aborted) {
      const happening = this.#ring[next - this.#first];
      if (next < this.#first) {
        const count = this.#first - next;
        emit({ time: this.#time(), kind: "events.dropped", subject: null, details: { count } });
        next = this.#first;
      } else if (happening !== undefined) {
        emit(happening);
        next += 1;
      } else if (follow) {
        await either(this.#arrival.promise, signal);
        continue;
      } else return;
      await either(ready(), signal);
    }
  }

  #beginning(sinceMs: number | undefined): number {
    const end = this.#first + this.#ring.length;
    if (sinceMs === undefined) return end;
    const from = new Date(this.now() - sinceMs).toISOString();
    const index = this.#ring.findIndex(({ time }) => time >= from);
    return index === -1 ? end : this.#first + index;
  }
}

function either(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      signal.removeEventListener("abort", over);
      resolve();
    };
    signal.addEventListener("abort", over, { once: true });
    promise.then(over, over);
    if (signal.aborted) over();
  });
}
