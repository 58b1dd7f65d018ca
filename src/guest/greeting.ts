/** The preamble with which a session begins, and begins again until it is heard. */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";
import type { FrameParser } from "./frames.ts";
import { headerBytes, maxPayloadBytes, nonceBytes, syncMagic } from "./protocol.ts";

/** The preamble is said again after this, then after twice as long, and so on. In ms. */
const repeatMs = 2000;
/** More than one frame: whatever an agent may be in the middle of is over after this, and the preamble is found. */
const filler = Buffer.alloc(maxPayloadBytes + 2 * headerBytes, 0xff);

/**
 * Says the preamble, and repeats it while the parser has not found its echo. Every preamble has a nonce of its own, and
 * only the last one's echo counts: what an agent answers to an earlier one is followed by more that is no frame.
 * Returns what stops it.
 */
export function keepGreeting(stream: Duplex, parser: FrameParser): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const greet = (before: Buffer, nextMs: number) => {
    // A guest that has not yet taken what it was sent needs no more of it.
    if (!parser.synchronised && !stream.writableNeedDrain) {
      const nonce = randomBytes(nonceBytes);
      parser.expect(nonce);
      stream.write(Buffer.concat([before, syncMagic, nonce]));
    }
    timer = setTimeout(greet, nextMs, filler, nextMs * 2);
  };
  greet(Buffer.alloc(0), repeatMs);
  return () => clearTimeout(timer);
}
