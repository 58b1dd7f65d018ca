/** Where the content of many files is, compactly: almost all of them are in one piece. */
import { leftBehind } from "../base/base.ts";
import type { Extent } from "./extents.ts";

export class ContentTable {
  /** Of the piece, or 0 blocks for a file that has none; the pieces of others are in #pieces. */
  #physical = new Uint32Array(1024);
  #blocks = new Uint32Array(1024);
  readonly #pieces = new Map<number, Uint32Array>();
  length = 0;

  /** Returns the file's number: they count from 0. */
  add(extents: readonly Extent[]): number {
    const number = this.length;
    if (number === this.#physical.length) {
      this.#physical = grown(this.#physical);
      this.#blocks = grown(this.#blocks);
    }
    this.length += 1;
    this.set(number, extents);
    return number;
  }

  set(number: number, extents: readonly Extent[]): void {
    const [first] = extents;
    const simple = extents.length === 0 || (extents.length === 1 && first?.logical === 0);
    this.#physical[number] = simple ? (first?.physical ?? 0) : 0;
    this.#blocks[number] = simple ? (first?.blocks ?? 0) : 0;
    if (simple) this.#pieces.delete(number);
    else
      this.#pieces.set(
        number,
        Uint32Array.from(extents.flatMap(({ logical, physical, blocks }) => [logical, physical, blocks])),
      );
  }

  get(number: number): Extent[] {
    // A list, its pieces, and what the loops have that go through all files.
    leftBehind(4);
    const pieces = this.#pieces.get(number);
    if (pieces === undefined) {
      const blocks = this.#blocks[number] ?? 0;
      return blocks === 0 ? [] : [{ logical: 0, physical: this.#physical[number] ?? 0, blocks }];
    }
    return Array.from({ length: pieces.length / 3 }, (_, n) => ({
      logical: pieces[3 * n] ?? 0,
      physical: pieces[3 * n + 1] ?? 0,
      blocks: pieces[3 * n + 2] ?? 0,
    }));
  }

  /** Of all files together. */
  get totalBlocks(): number {
    let blocks = 0;
    for (let number = 0; number < this.length; number += 1) blocks += this.blocksOf(number);
    return blocks;
  }

  blocksOf(number: number): number {
    const pieces = this.#pieces.get(number);
    if (pieces === undefined) return this.#blocks[number] ?? 0;
    let blocks = 0;
    for (let n = 2; n < pieces.length; n += 3) blocks += pieces[n] ?? 0;
    return blocks;
  }
}

function grown(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2);
  larger.set(array);
  return larger;
}
