/** Reading a log that still grows. */
import { watch } from "node:fs";
import { open } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { Readable } from "node:stream";

const chunkBytes = 64 * 1024;

/** The file's bytes, then what is appended to it, until `until` is closed. Woken by inotify, not by a clock. */
export function followFile(path: string, until: Duplex): Readable {
  return Readable.from(grow(path, until), { objectMode: false });
}

async function* grow(path: string, until: Duplex): AsyncGenerator<Buffer> {
  const file = await open(path, "r");
  let wake = () => {};
  let changed = true;
  const watcher = watch(path, () => {
    changed = true;
    wake();
  });
  const stop = () => wake();
  until.once("close", stop);
  try {
    let position = 0;
    while (!until.destroyed) {
      changed = false;
      const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, position);
      position += bytesRead;
      if (bytesRead > 0) yield buffer.subarray(0, bytesRead);
      else if ((await file.stat()).size < position) position = 0;
      else if (!changed) await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    watcher.close();
    until.off("close", stop);
    await file.close();
  }
}
