/** Who is connected, and which calls each has under way. */

/** A call of somebody's, or a connection that is open without one: a shell by ssh, say. */
export interface UnderWay {
  method: string | null;
  op: string | null;
  /** For how long. */
  ms: number;
}

export interface Connection {
  /** Until the returned function is called. */
  call(method: string, op: string): () => void;
  /** What all the others have under way: each connection is a command that somebody waits for. */
  others(): UnderWay[];
  end(): void;
}

interface Since {
  method: string | null;
  op: string | null;
  since: number;
}

export class Connections {
  readonly #open = new Map<Connection, { since: number; calls: Set<Since> }>();

  open(): Connection {
    const calls = new Set<Since>();
    const connection: Connection = {
      call: (method, op) => {
        const call = { method, op, since: performance.now() };
        calls.add(call);
        return () => void calls.delete(call);
      },
      others: () =>
        [...this.#open].flatMap(([other, { since, calls }]) => {
          if (other === connection) return [];
          const all: Since[] = calls.size > 0 ? [...calls] : [{ method: null, op: null, since }];
          return all.map(({ method, op, since }) => ({
            method,
            op,
            ms: Math.round(performance.now() - since),
          }));
        }),
      end: () => void this.#open.delete(connection),
    };
    this.#open.set(connection, { since: performance.now(), calls });
    return connection;
  }
}
