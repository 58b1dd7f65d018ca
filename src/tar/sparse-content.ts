/** The data of a sparse file, told as the file has them: with the holes between its parts. */
import type { TarListener } from "./entry.ts";
import type { SparseMap } from "./sparse.ts";

export class SparseContent {
  /** Of the part that is next, in the map. */
  #next = 0;
  /** How much of the file has been told. */
  #position = 0;

  /** `map` has passed checkMap. */
  constructor(
    readonly map: SparseMap,
    readonly realSize: number,
    readonly listener: TarListener,
  ) {}

  data(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const offset = this.map[this.#next] ?? 0;
      const end = offset + (this.map[this.#next + 1] ?? 0);
      this.#holeUntil(offset);
      const piece = chunk.subarray(at, at + end - this.#position);
      if (piece.length > 0) this.listener.data(piece);
      at += piece.length;
      this.#position += piece.length;
      if (this.#position === end) this.#next += 2;
    }
  }

  end(): void {
    this.#holeUntil(this.realSize);
  }

  #holeUntil(offset: number): void {
    if (offset <= this.#position) return;
    this.listener.hole(offset - this.#position);
    this.#position = offset;
  }
}
