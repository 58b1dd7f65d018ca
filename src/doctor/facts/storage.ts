/** Where banger keeps things: whose the directories are, what they are on, and what is free there. */
import { constants } from "node:fs";
import { access, lstat, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { errnoOf, type FileSystem, fileSystemOf } from "../../sys/sys.ts";
import type { Place } from "../place.ts";

export interface DirectoryFacts {
  path: string;
  /** The directory itself, or the nearest one above it that is there: it is made below that. */
  there: string;
  exists: boolean;
  isDirectory: boolean;
  uid: number;
  mode: number;
  /** Why this user cannot write there: EACCES, EROFS ...; undefined when it can. */
  refused: string | undefined;
  fileSystem: FileSystem;
}

export interface StorageFacts {
  state: DirectoryFacts;
  runtime: DirectoryFacts;
  temporary: DirectoryFacts;
  /** banger's own; `unreadable` is this user's fault, `damaged` the file's. */
  database: "none" | "good" | "damaged" | "unreadable";
}

export async function lookAtStorage({ paths }: Place): Promise<StorageFacts> {
  const [state, runtime, temporary, database] = await Promise.all([
    lookAtDirectory(paths.state),
    lookAtDirectory(paths.runtime),
    lookAtDirectory(tmpdir()),
    lookAtDatabase(join(paths.state, "banger.db")),
  ]);
  return { state, runtime, temporary, database };
}

export async function lookAtDirectory(path: string): Promise<DirectoryFacts> {
  const there = await nearest(path);
  const [found, refused, fileSystem] = await Promise.all([
    lstat(there),
    access(there, constants.W_OK | constants.X_OK).then(
      () => undefined,
      (error: unknown) => errnoOf(error) ?? String(error),
    ),
    fileSystemOf(there),
  ]);
  return {
    ...{ path, there, exists: there === path, isDirectory: found.isDirectory() },
    ...{ uid: found.uid, mode: found.mode & 0o7777, refused, fileSystem },
  };
}

/** What cannot be looked at counts as not there: this user could not go through it either. */
async function nearest(path: string): Promise<string> {
  for (let at = path; at !== "/"; at = dirname(at)) {
    const found = await lstat(at).catch(() => undefined);
    if (found !== undefined) return at;
  }
  return "/";
}

const sqliteMagic = "SQLite format 3\0";

async function lookAtDatabase(path: string): Promise<StorageFacts["database"]> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return errnoOf(error) === "ENOENT" ? "none" : "unreadable";
  }
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0);
    // One that has just been made is empty until its first row.
    return bytesRead === 0 || buffer.toString("latin1") === sqliteMagic ? "good" : "damaged";
  } finally {
    await file.close();
  }
}
