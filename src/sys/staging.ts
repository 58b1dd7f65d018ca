/**
 * Directories that appear whole or not at all: built under a hidden name beside their final one, then renamed. Each
 * carries its builder's identity, so that what a killed builder left is known from what a living one is making.
 */

import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { removeTree, syncDirectory } from "./files.ts";
import { identify, isAlive, ProcessIdentitySchema } from "./identity.ts";

const prefix = ".staging-";
const ownerFile = ".owner.json";

/**
 * Runs `build` in a fresh directory of `parent` and renames it to the name that `build` returns. A directory of that
 * name which is there already wins (its content is the same: names are digests). Removed when `build` fails.
 */
export async function stageDirectory(
  parent: string,
  build: (staging: string) => Promise<string>,
): Promise<string> {
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const staging = join(parent, prefix + randomBytes(6).toString("hex"));
  await mkdir(staging, { mode: 0o700 });
  try {
    await writeOwner(staging);
    const final = join(parent, await build(staging));
    await removeTree(join(staging, ownerFile));
    await syncDirectory(staging);
    try {
      await rename(staging, final);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? error.code : "";
      if (code !== "ENOTEMPTY" && code !== "EEXIST") throw error;
      await removeTree(staging);
    }
    await syncDirectory(parent);
    return final;
  } catch (error) {
    await removeTree(staging);
    throw error;
  }
}

/** Removes what builders left that are no longer alive. What cannot be removed is told, and the rest goes all the same. */
export async function cleanStaging(
  parent: string,
  stays: (path: string, error: unknown) => void,
): Promise<void> {
  for (const name of await readdir(parent).catch(() => [])) {
    const path = join(parent, name);
    if (!name.startsWith(prefix) || (await ownedByLiving(path))) continue;
    await removeTree(path).catch((error: unknown) => stays(path, error));
  }
}

/** Says in a directory that this process is at work in it. */
export async function writeOwner(directory: string): Promise<void> {
  await writeFile(join(directory, ownerFile), JSON.stringify(identify(process.pid)));
}

/** Whether the process that is at work in a directory still lives. */
export async function ownedByLiving(directory: string): Promise<boolean> {
  const text = await readFile(join(directory, ownerFile), "utf8").catch(() => "");
  const owner = ProcessIdentitySchema.safeParse(parseJson(text));
  return owner.success && isAlive(owner.data);
}

/** Undefined for what is no JSON, as the file of a builder that was killed while it wrote it. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
