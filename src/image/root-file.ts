/** The file that becomes a root file system, while content is put into it. */
import type { FileHandle } from "node:fs/promises";
import { type BlockRun, ContentArea, type ContentWriter } from "../ext4/ext4.ts";
import { emptyStretch } from "../sys/sys.ts";
import type { Background } from "./background.ts";
import { ContentCopier } from "./content-copier.ts";

export const blockBytes = 4096;

export class RootFile {
  readonly area: ContentArea;
  #syncing: Promise<void> | undefined;

  /** `file` is empty, open for reading and writing, and not to be closed before `background` has ended. */
  constructor(
    readonly file: FileHandle,
    readonly background: Background,
  ) {
    this.area = new ContentArea(file.fd);
  }

  writer(): ContentWriter {
    return this.area.writer();
  }

  copier(): ContentCopier {
    return new ContentCopier(this.file, this.area.writer());
  }

  /** What is there goes to the disk while more is made: it has to before the image is one. */
  startSync(): void {
    this.#syncing ??= this.background.start(async () => {
      try {
        await this.file.datasync();
      } finally {
        this.#syncing = undefined;
      }
    });
  }

  /** Gives blocks back to the disk that the file is on: neighbours at once. */
  empty(runs: BlockRun[]): void {
    runs.sort((one, other) => one.start - other.start);
    let open: BlockRun = { start: 0, count: 0 };
    for (const run of [...runs, { start: -1, count: 0 }]) {
      if (run.start === open.start + open.count) {
        open.count += run.count;
        continue;
      }
      if (open.count > 0) emptyStretch(this.file.fd, open.start * blockBytes, open.count * blockBytes);
      open = { ...run };
    }
  }
}
