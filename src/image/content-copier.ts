/** Copies the content of files from other file systems: what lies one after another, here and there, goes at once. */
import type { FileHandle } from "node:fs/promises";
import type { ContentWriter, Extent } from "../ext4/ext4.ts";
import { copyRange } from "../sys/sys.ts";

const blockBytes = 4096;
/** After so much others get their turn. */
const mostBlocks = 2048;

/** In blocks. */
interface Range {
  file: FileHandle;
  from: number;
  to: number;
  count: number;
}

export class ContentCopier {
  readonly #ranges: Range[] = [];

  constructor(
    readonly target: FileHandle,
    readonly writer: ContentWriter,
  ) {}

  /** Where the blocks that `extents` says of the disk `file` are then. They are there when finish() resolves. */
  copy(file: FileHandle, extents: readonly Extent[]): readonly Extent[] {
    const copy = this.writer.reserve(extents);
    let source = 0;
    let used = 0;
    for (const { physical, blocks } of copy) {
      for (let done = 0; done < blocks; ) {
        const from = extents[source];
        if (from === undefined) throw new Error("more is copied than there is");
        const count = Math.min(blocks - done, from.blocks - used);
        this.#add({ file, from: from.physical + used, to: physical + done, count });
        done += count;
        used += count;
        if (used === from.blocks) {
          source += 1;
          used = 0;
        }
      }
    }
    return copy;
  }

  /** Nothing can be added afterwards. Throws why, when `signal` is aborted. */
  async finish(signal: AbortSignal): Promise<void> {
    this.writer.finish();
    for (const { file, from, to, count } of this.#ranges) {
      signal.throwIfAborted();
      const target = { fd: this.target.fd, at: to * blockBytes };
      copyRange({ fd: file.fd, at: from * blockBytes }, target, count * blockBytes);
      await new Promise(setImmediate);
    }
  }

  #add(range: Range): void {
    const last = this.#ranges.at(-1);
    const follows =
      last?.file === range.file && last.from + last.count === range.from && last.to + last.count === range.to;
    if (follows && last.count < mostBlocks) last.count += range.count;
    else this.#ranges.push(range);
  }
}
