/** Reading a log that still grows. */
import { watch } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Duplex } from "node:stream";

const chunkBytes = 64 * 1024;

/**
 * The file's bytes from `position`, then what is appended to it, until `until` is closed, or the file is removed. Woken by inotify,
 * not by a clock. A log that was cut is read from its beginning, and so is another one that has taken its name.
 */
export async function* followFile(path: string, until: Duplex, position = 0): AsyncGenerator<Buffer> {
  let file = await open(path, "r");
  let at = position;
  let wake = () => {};
  let changed = true;
  // The directory tells of new files of the name, too.
  const watcher = watch(dirname(path), () => {
    changed = true;
    wake();
  });
  watcher.on("error", () => watcher.close());
  const stop = () => wake();
  until.once("close", stop);
  try {
    while (!until.destroyed) {
      changed = false;
      const { bytesRead, buffer } = await file.read(Buffer.alloc(chunkBytes), 0, chunkBytes, at);
      at += bytesRead;
      if (bytesRead > 0) {
        yield buffer.subarray(0, bytesRead);
        continue;
      }
      const now = await whatBecame(path, file, at);
      if (now === "removed") return;
      if (now === "another") {
        await file.close();
        file = await open(path, "r");
      }
      if (now !== "same") at = 0;
      else if (!changed) await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    watcher.close();
    until.off("close", stop);
    await file.close();
  }
}

async function whatBecame(
  path: string,
  file: FileHandle,
  position: number,
): Promise<"same" | "cut" | "another" | "removed"> {
  const [here, there] = [await file.stat(), await stat(path).catch(() => undefined)];
  if (there === undefined) return here.nlink === 0 ? "removed" : "same";
  if (there.ino !== here.ino) return "another";
  return here.size < position ? "cut" : "same";
}
