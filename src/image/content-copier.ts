/** Copies the content of files from other file systems: what lies one after another, here and there, goes at once. */
import type { ContentWriter, Extent } from "../ext4/ext4.ts";
import { copyRange } from "../sys/sys.ts";

const blockBytes = 4096;
/** Others get their turn in between. */
const mostBlocks = 4096;

export class ContentCopier {
  /** In blocks. */
  #pending = { fd: -1, from: 0, to: 0, count: 0 };

  constructor(
    readonly fd: number,
    readonly writer: ContentWriter,
  ) {}

  /** Where the blocks that `extents` says of the disk `fd` are then. They are there after finish(). */
  copy(fd: number, extents: readonly Extent[]): readonly Extent[] {
    const copy = this.writer.reserve(extents);
    let source = 0;
    let used = 0;
    for (const { physical, blocks } of copy) {
      for (let done = 0; done < blocks; ) {
        const from = extents[source];
        if (from === undefined) throw new Error("more is copied than there is");
        const count = Math.min(blocks - done, from.blocks - used);
        this.#add(fd, from.physical + used, physical + done, count);
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

  finish(): void {
    this.#flush();
    this.writer.finish();
  }

  #add(fd: number, from: number, to: number, count: number): void {
    const { fd: last, from: start, to: target, count: pending } = this.#pending;
    if (last === fd && start + pending === from && target + pending === to && pending < mostBlocks) {
      this.#pending.count += count;
      return;
    }
    this.#flush();
    this.#pending = { fd, from, to, count };
  }

  #flush(): void {
    const { fd, from, to, count } = this.#pending;
    this.#pending.count = 0;
    if (count > 0)
      copyRange({ fd, at: from * blockBytes }, { fd: this.fd, at: to * blockBytes }, count * blockBytes);
  }
}
