/** Two ends of a byte stream, as between CLI and daemon. Only for tests. */
import * as stream from "node:stream";

/** node:stream's duplexPair, which the type declarations do not know yet. */
export function bytePair(): [stream.Duplex, stream.Duplex] {
  const { duplexPair } = stream as unknown as { duplexPair(): [stream.Duplex, stream.Duplex] };
  const [a, b] = duplexPair();
  // As of a socket: what is still to be written to an end that was closed never will be.
  for (const [closed, other] of [
    [a, b],
    [b, a],
  ] as const) {
    closed.once("close", () => {
      if (!other.writableFinished) other.destroy();
    });
  }
  return [a, b];
}
