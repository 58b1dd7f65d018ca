/** A file of the user's own, given other content: the same file to everybody who looks, whole at any moment. */
import { randomBytes } from "node:crypto";
import { constants, existsSync } from "node:fs";
import {
  type FileHandle,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { BangerError, wrap } from "../../base/base.ts";

const maxBytes = 4 * 1024 * 1024;

/**
 * Has `edit` make new content of a file's, and puts that in its place, in one step; `edit` gets undefined of one that is not
 * there, and gives undefined for one that is to go. Texts are bytes as latin1. Mode and group stay; a link stays one. Says whether anything changed. Throws precondition or
 * denied for what is not a plain file of this user's alone.
 */
export async function editFile(
  path: string,
  edit: (text: string | undefined) => string | undefined,
): Promise<boolean> {
  try {
    const target = await targetOf(path);
    const before = await read(target);
    const text = edit(before?.text);
    if (text === before?.text) return false;
    if (text === undefined) await rm(target);
    else await replace(target, text, before);
    return true;
  } catch (error) {
    throw wrap(error, path);
  }
}

/** Through links, to where the content is, or would be. */
async function targetOf(path: string): Promise<string> {
  try {
    if (!(await lstat(path)).isSymbolicLink()) return path;
  } catch (error) {
    if (isAbsent(error)) return path;
    throw error;
  }
  return realpath(path).catch((cause: unknown) => {
    throw new BangerError("precondition", "it is a link to nothing", {
      hint: "make what it leads to, or remove it",
      cause,
    });
  });
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}

interface Found {
  text: string;
  mode: number;
  gid: number;
  /** What tells that somebody else has written meanwhile. */
  version: string;
}

async function read(path: string): Promise<Found | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
  try {
    const found = await file.stat();
    const refused = (what: string, hint: string) => new BangerError("precondition", what, { hint });
    if (!found.isFile()) throw refused("it is no plain file", "move it away");
    if (found.uid !== process.geteuid?.()) {
      throw new BangerError("denied", `it belongs to another user (uid ${found.uid})`, {
        hint: "call banger as its owner, not by sudo",
      });
    }
    // It would be another file from then on under each of its other names.
    if (found.nlink > 1) throw refused("it has other names (hard links)", "put the line in by hand");
    if (found.size > maxBytes)
      throw refused("it is too large for a configuration", "put the line in by hand");
    const text = (await readFile(file)).toString("latin1");
    return { text, mode: found.mode & 0o7777, gid: found.gid, version: versionOf(found) };
  } finally {
    await file.close();
  }
}

async function replace(path: string, text: string, before: Found | undefined): Promise<void> {
  if (before === undefined) await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  // Of this call alone: another banger may be writing at this moment.
  const begin = `.${basename(path)}.banger-new`;
  await removeAbandoned(dirname(path), begin);
  const aside = join(dirname(path), `${begin}-${process.pid}-${randomBytes(6).toString("hex")}`);
  try {
    // Exclusive, which also follows no link (open(2)).
    const file = await open(aside, "wx", 0o600);
    try {
      await file.writeFile(Buffer.from(text, "latin1"));
      if (before !== undefined) {
        const { gid } = await file.stat();
        if (gid !== before.gid) await file.chown(-1, before.gid);
        await file.chmod(before.mode);
      }
      await file.sync();
    } finally {
      await file.close();
    }
    const now = await stat(path).then(versionOf, () => undefined);
    if (now !== before?.version)
      throw new BangerError("precondition", "somebody else has just changed it", { hint: "try again" });
    await rename(aside, path);
  } catch (error) {
    await rm(aside, { force: true });
    throw error;
  }
  const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY);
  await directory.sync().finally(() => directory.close());
}

/** What killed ones have left: their names say whose they were. */
async function removeAbandoned(directory: string, begin: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const [, pid] = name.startsWith(begin)
      ? (/^-([0-9]+)-[0-9a-f]+$/.exec(name.slice(begin.length)) ?? [])
      : [];
    if (pid !== undefined && !existsSync(`/proc/${pid}`)) await rm(join(directory, name), { force: true });
  }
}

function versionOf({
  ino,
  size,
  mtimeMs,
  ctimeMs,
}: {
  ino: number;
  size: number;
  mtimeMs: number;
  ctimeMs: number;
}) {
  return [ino, size, mtimeMs, ctimeMs].join(" ");
}
