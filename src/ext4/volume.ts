/** Reads and writes at offsets of the disk's file. Whatever the structures say, nothing is touched outside of the file system. */
import { readSync, writeSync } from "node:fs";
import { BangerError, wrap } from "../base/base.ts";

export class Volume {
  /** Bytes of the file system; until the superblock has been read, of the file. */
  sizeBytes: number;

  constructor(
    readonly fd: number,
    fileBytes: number,
  ) {
    this.sizeBytes = fileBytes;
  }

  read(offset: number, bytes: number): Buffer {
    const into = Buffer.alloc(bytes);
    this.readInto(into, bytes, offset);
    return into;
  }

  readInto(into: Buffer, bytes: number, offset: number): void {
    this.#check(offset, bytes);
    let have = 0;
    while (have < bytes) {
      const got = readSync(this.fd, into, have, bytes - have, offset + have);
      if (got === 0) throw new BangerError("corrupt", `the disk ends at byte ${offset + have}`);
      have += got;
    }
  }

  write(offset: number, from: Buffer, start = 0, end = from.length): void {
    this.#check(offset, end - start);
    let at = start;
    try {
      while (at < end) at += writeSync(this.fd, from, at, end - at, offset + at - start);
    } catch (error) {
      throw wrap(error, "the disk's file could not be written");
    }
  }

  #check(offset: number, bytes: number): void {
    if (offset < 0 || offset + bytes > this.sizeBytes)
      throw new BangerError("corrupt", `the file system points to byte ${offset}, outside of itself`);
  }
}
