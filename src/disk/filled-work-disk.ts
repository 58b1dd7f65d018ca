/** A work disk with a tree on it, which no guest has mounted yet. */
import { lstat, opendir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { addAbortSignal, type Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { type Ext4Filler, fillFromTar, openFresh } from "../ext4/ext4.ts";
import { createWorkDisk, type WorkDiskRequest } from "./work-disk.ts";

export interface FilledWorkDisk extends Omit<WorkDiskRequest, "fill"> {
  /** A directory; a whole disk cannot be filled. */
  seed?: string;
  /** A directory of the disk, relative to its root. */
  under: string;
  /** Its files go there. */
  tar: Readable;
}

/**
 * Makes the disk without mounting anything; all that is on it is root's. It appears under its name only when it is whole.
 * Throws no_space when it is too small for the tar, and what is wrong with a tar that cannot be unpacked or is cut off.
 */
export async function createFilledWorkDisk({
  seed,
  under,
  tar,
  ...disk
}: FilledWorkDisk): Promise<{ files: number; bytes: number }> {
  let written = { files: 0, bytes: 0 };
  const { signal } = disk;
  if (signal !== undefined) addAbortSignal(signal, tar);
  await createWorkDisk({
    ...disk,
    fill: async (file) => {
      const filler = openFresh(file.fd);
      // Not by mke2fs, which keeps the owners that files have on this host.
      if (seed !== undefined) await copySeed(filler, seed, "");
      written = await copyTar(filler, under, tar).catch((error: unknown) => {
        throw signal?.aborted ? signal.reason : error;
      });
      filler.finish();
    },
  });
  return written;
}

async function copyTar(filler: Ext4Filler, under: string, tar: Readable) {
  const filling = fillFromTar(filler, Buffer.from(under));
  for await (const chunk of tar) {
    filling.push(chunk as Buffer);
    // What goes to the disk is written at once: others get their turn.
    await setImmediate();
  }
  return filling.finish();
}

/** A few small files of an image, which nobody changes. */
async function copySeed(filler: Ext4Filler, dir: string, below: string): Promise<void> {
  for await (const { name } of await opendir(dir)) {
    const from = join(dir, name);
    const to = Buffer.from(below + name);
    const found = await lstat(from);
    const meta = { mode: found.mode & 0o7777, uid: 0, gid: 0, mtimeS: Math.floor(found.mtimeMs / 1000) };
    if (found.isDirectory()) {
      filler.addDirectory(to, meta);
      await copySeed(filler, from, `${below}${name}/`);
    } else if (found.isSymbolicLink()) filler.addSymlink(to, Buffer.from(await readlink(from)), meta);
    else if (found.isFile()) {
      const content = await readFile(from);
      const sink = filler.addFile(to, meta, content.length);
      sink.write(content);
      sink.close();
    }
  }
}
