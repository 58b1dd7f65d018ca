/** A file that has its name only when it is whole. */
import {
  closeSync,
  constants,
  fchmodSync,
  ftruncateSync,
  futimesSync,
  openSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { asideName } from "./aside.ts";

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
const zeros = Buffer.alloc(64 * 1024);
/** Shorter runs of zeros are not worth a hole. */
const leastHole = 4096;

export class NewFile {
  readonly #aside: Buffer;
  readonly #fd: number;
  #at = 0;

  /** Made beside `place`, and the user's alone until it is finished. */
  constructor(
    private readonly place: Buffer,
    private readonly meta: { sizeBytes: number; mode: number; time: number },
  ) {
    this.#aside = asideOf(place);
    this.#fd = openSync(this.#aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  }

  write(chunk: Buffer): void {
    for (let from = 0; from < chunk.length; from += zeros.length)
      this.#writePiece(chunk.subarray(from, from + zeros.length));
  }

  #writePiece(piece: Buffer): void {
    const isHole = piece.length >= leastHole && piece.equals(zeros.subarray(0, piece.length));
    for (let done = 0; !isHole && done < piece.length; )
      done += writeSync(this.#fd, piece, done, piece.length - done, this.#at + done);
    this.#at += piece.length;
  }

  /** So many zeros. */
  leave(bytes: number): void {
    this.#at += bytes;
  }

  finish(): void {
    try {
      ftruncateSync(this.#fd, this.meta.sizeBytes);
      fchmodSync(this.#fd, this.meta.mode);
      futimesSync(this.#fd, this.meta.time, this.meta.time);
    } catch (error) {
      this.discard();
      throw error;
    }
    closeSync(this.#fd);
    takeItsPlace(this.#aside, this.place);
  }

  discard(): void {
    closeSync(this.#fd);
    unlinkSync(this.#aside);
  }
}

/** A name in the same directory that nobody else uses. */
export function asideOf(place: Buffer): Buffer {
  const slash = place.lastIndexOf(0x2f);
  return Buffer.concat([place.subarray(0, slash + 1), Buffer.from(asideName())]);
}

/** In one step: whatever had the name is either still there, or replaced. */
export function takeItsPlace(aside: Buffer, place: Buffer): void {
  try {
    renameSync(aside, place);
  } catch (error) {
    unlinkSync(aside);
    throw error;
  }
}
