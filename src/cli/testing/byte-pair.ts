/** Two ends of a byte stream, as between CLI and daemon. Only for tests. */
import * as stream from "node:stream";

/** node:stream's duplexPair, which the type declarations do not know yet. */
export function bytePair(): [stream.Duplex, stream.Duplex] {
  const { duplexPair } = stream as unknown as { duplexPair(): [stream.Duplex, stream.Duplex] };
  return duplexPair();
}
