/** File-system effects that are either there or not. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { chmod, type FileHandle, lstat, open, readdir, rename, rm, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BangerError } from "../base/base.ts";
import { identify } from "./identity.ts";

export interface AsideFile {
  /** The name it is made under, in the same directory; nothing of that name may be there. */
  aside: string;
  mode: number;
  /** Unless false, its content is on the disk before it gets its name. */
  durable?: boolean;
}

/**
 * `make` fills a new file, which then takes the name `path`: what bears that name is whole. The caller makes the rename
 * durable. Nothing is left when `make` fails.
 */
export async function makeAside(
  path: string,
  { aside, mode, durable = true }: AsideFile,
  make: (file: FileHandle) => Promise<void>,
): Promise<void> {
  try {
    // Exclusive, which also follows no link (open(2)).
    const file = await open(aside, "wx+", mode);
    try {
      await make(file);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, path);
  } catch (error) {
    await unlink(aside).catch(() => {
      // It may never have been made; the first error is the one to report.
    });
    throw error;
  }
}

/**
 * Writes a file so that a crash or a power cut leaves the old content or the new, never a mixture. What a writer that was
 * killed has left beside it goes with the next write.
 */
export async function atomicWrite(
  path: string,
  content: string | Uint8Array,
  options: { mode: number },
): Promise<void> {
  const prefix = `.${basename(path)}.`;
  await removeAbandoned(dirname(path), prefix);
  // Random, so that two writers of one file never write into each other's; the last rename wins.
  const random = randomBytes(6).toString("hex");
  const aside = join(dirname(path), `${prefix}${process.pid}-${random}.new`);
  await makeAside(path, { aside, mode: options.mode }, (file) => file.writeFile(content));
  await syncDirectory(dirname(path));
}

async function removeAbandoned(directory: string, prefix: string): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const writer = name.startsWith(prefix)
      ? /^(\d+)-[0-9a-f]{12}\.new$/.exec(name.slice(prefix.length))
      : null;
    if (writer !== null && identify(Number(writer[1])) === undefined)
      await rm(join(directory, name), { force: true });
  }
}

/** Makes renames and unlinks in a directory survive a power cut. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/**
 * Removes a file or a whole tree; a symlink is removed, never followed. Absent is success. Directories that their owner
 * may not write in, as package stores leave them, go as well.
 */
export async function removeTree(path: string): Promise<void> {
  const remove = () => rm(path, { recursive: true, force: true, maxRetries: 2 });
  try {
    await remove();
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code !== "EACCES" && code !== "EPERM") throw error;
    await openUp(path);
    await remove();
  }
}

/** open(2)'s, which node has no name for: a directory without read permission can be opened by it, and only so. */
const oPath = 0o10000000;

/** Gives this user every right to a tree's directories; what cannot be given is left to the removal to say. */
async function openUp(path: string): Promise<void> {
  if (!(await lstat(path).catch(() => undefined))?.isDirectory()) return;
  const flags = oPath | constants.O_DIRECTORY | constants.O_NOFOLLOW;
  const directory = await open(path, flags).catch(() => undefined);
  if (directory === undefined) return;
  try {
    // By what was opened: what bears the name by now may be a link.
    await chmod(`/proc/self/fd/${directory.fd}`, 0o700).catch(() => {
      // Somebody else's.
    });
  } finally {
    await directory.close();
  }
  for (const entry of await readdir(path, { withFileTypes: true }).catch(() => []))
    if (entry.isDirectory()) await openUp(join(path, entry.name));
}

/** The paths of all plain files below a directory. It follows no links, as readdir's own `recursive` does (Bun 1.4.5). */
export async function* filesBelow(directory: string): AsyncGenerator<string> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

/** A plain file, whole: not a pipe or a device, which have no end. Throws not_found; corrupt for another kind, or a larger one. */
export async function readPlainFile(path: string, maxBytes: number): Promise<Buffer> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw new BangerError("not_found", `${path} is not there, or not to be read`, { cause });
  });
  try {
    const found = await file.stat();
    if (found.isFile() && found.size <= maxBytes) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(found.size), 0, found.size, 0);
      return buffer.subarray(0, bytesRead);
    }
    throw new BangerError("corrupt", `${path} is no file of at most ${maxBytes} bytes`);
  } finally {
    await file.close();
  }
}
