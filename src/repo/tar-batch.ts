/** Gathers small members of a tar in one buffer, so that a stream carries few large pieces instead of many small. */
import { type TarMember, tarHeader, tarPadding } from "../tar/tar.ts";

const batchBytes = 256 * 1024;

/** Has a state: what is in it has not been sent yet. take() hands it over. */
export class TarBatch {
  #buffer: Buffer = Buffer.allocUnsafe(batchBytes);
  #used = 0;

  /** Whether so many bytes fit behind what is there. */
  fits(bytes: number): boolean {
    return this.#used + bytes <= batchBytes;
  }

  /** Room for reading into, right behind what is there; skip() then says how much of it counts. */
  room(bytes: number, after: number): Buffer {
    return this.#buffer.subarray(this.#used + after, this.#used + after + bytes);
  }

  /** Appends a header; content that was read into room(size, header.length) and its padding follow it. */
  commit(header: Buffer, contentBytes: number): void {
    header.copy(this.#buffer, this.#used);
    const end = this.#used + header.length + contentBytes;
    this.#used = end + tarPadding(contentBytes);
    this.#buffer.fill(0, end, this.#used);
  }

  get isEmpty(): boolean {
    return this.#used === 0;
  }

  /** What is there, to be sent; the batch is then empty. */
  take(): Buffer {
    const full = this.#buffer.subarray(0, this.#used);
    this.#buffer = Buffer.allocUnsafe(batchBytes);
    this.#used = 0;
    return full;
  }
}

/** A whole member in memory, header to padding. */
export function tarMember(member: Omit<TarMember, "size">, content: Buffer): Buffer {
  const header = tarHeader({ ...member, size: content.length });
  return Buffer.concat([header, content, Buffer.alloc(tarPadding(content.length))]);
}
