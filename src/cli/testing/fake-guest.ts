/** guest.exec of a fake daemon: a command written as a function over its streams. Only for tests. */
import type { Duplex } from "node:stream";
import { bytePair } from "./byte-pair.ts";
import type { FakeDaemon, FakeHandlers } from "./fake-daemon.ts";

export interface FakeProcess {
  argv: string[];
  tty: boolean;
  /** stdin to read from, stdout to write to. */
  stdio: Duplex;
  stderr: Duplex;
  /** Resolves with the first signal the guest's process group gets. */
  signalled: Promise<number>;
  /** Cancelled by the caller. */
  cancelled: AbortSignal;
}

/** Handlers for guest.exec and guest.signal; `body`'s result is the exit status. */
export function fakeGuest(
  daemon: () => FakeDaemon,
  body: (child: FakeProcess) => Promise<number>,
): Pick<FakeHandlers, "guest.exec" | "guest.signal" | "guest.resize"> {
  const children = new Map<string, (signal: number) => void>();
  return {
    "guest.exec": async (params, { emit, op, signal }) => {
      const [nearStdio, stdio] = bytePair();
      const [nearStderr, stderr] = bytePair();
      const { promise: signalled, resolve } = Promise.withResolvers<number>();
      children.set(op, resolve);
      const tty = params.tty !== undefined;
      emit({
        kind: "tickets",
        stdio: daemon().ticket(nearStdio),
        ...(tty ? {} : { stderr: daemon().ticket(nearStderr) }),
      });
      const status = await body({ argv: params.argv, tty, stdio, stderr, signalled, cancelled: signal });
      stdio.end();
      stderr.end();
      return { status };
    },
    "guest.signal": ({ op, signal }) => {
      children.get(op)?.(signal);
      return {};
    },
    "guest.resize": () => ({}),
  };
}
