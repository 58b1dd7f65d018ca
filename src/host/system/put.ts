/** Files that replace what was there before, and can be put back: the old one stays beside as long as that may be. */
import { chmod, copyFile, link, lstat, open, rename, rm, symlink, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { syncDirectory } from "../../sys/sys.ts";

/** What is to be at a path. */
export type Content =
  | { kind: "copy"; of: string; mode: number }
  | { kind: "text"; text: string; mode: number }
  | { kind: "symlink"; to: string };

const previous = (path: string) => `${path}.banger-previous`;
const aside = (path: string) => `${path}.banger-new`;

export async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return false;
    throw error;
  }
}

/** Puts `content` at `path` in one step: whoever looks finds the old or the new. The old one is kept, see `putBack`. */
export async function put(path: string, content: Content): Promise<void> {
  await rm(previous(path), { force: true });
  await rm(aside(path), { force: true });
  // A second name for the very file: nothing is copied, and a program that runs from it goes on.
  if (await exists(path)) await link(path, previous(path));
  await make(aside(path), content);
  await rename(aside(path), path);
  await syncDirectory(dirname(path));
}

/** What `put` found, back at its place; `existed` says whether that was anything. For a `put` that failed too. */
export async function putBack(path: string, existed: boolean): Promise<void> {
  await rm(aside(path), { force: true });
  if (!existed) await rm(path, { force: true });
  else if (await exists(previous(path))) await rename(previous(path), path);
  // rename(2) of two names of one file leaves both.
  await rm(previous(path), { force: true });
}

/** The way back is given up. */
export async function keep(path: string): Promise<void> {
  await rm(previous(path), { force: true });
}

/** Removes the file with all that `put` may have left beside it. Absent is success. */
export async function remove(path: string): Promise<void> {
  for (const name of [path, previous(path), aside(path)]) await rm(name, { force: true });
}

async function make(path: string, content: Content): Promise<void> {
  if (content.kind === "symlink") return symlink(content.to, path);
  if (content.kind === "copy") await copyFile(content.of, path);
  else await writeFile(path, content.text, { flag: "wx" });
  // Not left to the umask.
  await chmod(path, content.mode);
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
