/** Frames: a message behind a `Content-Length: N` header, as the Language Server Protocol has them; every length has a limit. */
import { BangerError } from "../base/base.ts";

export const maxFrameBytes = 4 * 1024 * 1024;
const maxHeaderBytes = 256;
const headerEnd = "\r\n\r\n";

/** A message with its header, for one write. */
export function frame(text: string): Buffer {
  return Buffer.from(`Content-Length: ${Buffer.byteLength(text)}${headerEnd}${text}`);
}

/** Puts together what a socket gives in pieces. */
export class FrameReader {
  #header: Buffer = Buffer.alloc(0);
  /** Of the message whose header is complete; bytes that are still to come. */
  #missing = 0;
  #pieces: Buffer[] = [];

  /** The messages that end in `chunk`. Throws bad_request at a frame that is too large or is none. */
  *read(chunk: Buffer): Generator<string> {
    let rest = chunk;
    while (rest.length > 0) {
      if (this.#missing === 0) {
        rest = this.#readHeader(rest);
        continue;
      }
      const piece = rest.subarray(0, this.#missing);
      this.#missing -= piece.length;
      this.#pieces.push(piece);
      rest = rest.subarray(piece.length);
      if (this.#missing === 0) yield Buffer.concat(this.#pieces.splice(0)).toString("utf8");
    }
  }

  /** Takes what belongs to the header; answers the rest. */
  #readHeader(chunk: Buffer): Buffer {
    const bytes = this.#header.length === 0 ? chunk : Buffer.concat([this.#header, chunk]);
    const end = bytes.indexOf(headerEnd);
    if (end < 0) {
      if (bytes.length > maxHeaderBytes) throw noFrame();
      this.#header = bytes;
      return Buffer.alloc(0);
    }
    const length = /^Content-Length: ([0-9]{1,8})$/.exec(bytes.toString("latin1", 0, end))?.[1];
    if (length === undefined || Number(length) === 0) throw noFrame();
    if (Number(length) > maxFrameBytes) {
      throw new BangerError("bad_request", `a message of ${length} bytes is too large`);
    }
    this.#header = Buffer.alloc(0);
    this.#missing = Number(length);
    return bytes.subarray(end + headerEnd.length);
  }
}

function noFrame(): BangerError {
  return new BangerError("bad_request", "the peer does not speak JSON-RPC");
}
