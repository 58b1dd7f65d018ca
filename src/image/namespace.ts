/**
 * Building without root: mmdebstrap works in a user namespace, whose root is the first of this user's subordinate ids. It
 * may not enter this user's private directories, so a build has a place, usually in /tmp, that both can reach and nobody
 * else can change:
 *
 *   lent/   this user's, for reading: the hook and the kernel's modules
 *   made/   the namespace's root's alone: what the hook makes
 *
 * and what mmdebstrap needs meanwhile. It carries its builder's identity: what a killed one left is removed by the next.
 */
import { existsSync } from "node:fs";
import { chmod, cp, lstat, mkdir, mkdtemp, readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ownedByLiving, runChecked, writeOwner } from "../sys/sys.ts";

/** unshare(1)'s options for a user namespace with this user as root and its subordinate ids as everyone else. */
export const ownNamespace = ["--user", "--map-auto", "--map-root-user"] as const;
/** The namespace's root of mmdebstrap, as a namespace of ours sees it. */
const mmdebstrapRoot = "1:1";

const prefix = "banger-image-";

export interface SharedPlace {
  path: string;
  lent: string;
  made: string;
}

/** `parent` is a directory that everybody may pass through. */
export async function makeShared(parent: string): Promise<SharedPlace> {
  const path = await mkdtemp(join(parent, prefix));
  const place = { path, lent: join(path, "lent"), made: join(path, "made") };
  await writeOwner(path);
  await mkdir(place.lent);
  await chmod(place.lent, 0o755);
  await mkdir(place.made, { mode: 0o700 });
  await inside("chown", mmdebstrapRoot, place.made);
  // To be passed through, not to be listed.
  await chmod(path, 0o711);
  return place;
}

/** A copy of a directory for the namespace to read; nothing of one that is not there. Returns its path. */
export async function lend(directory: string, { lent }: SharedPlace): Promise<string> {
  const target = join(lent, basename(directory));
  if (existsSync(directory)) await cp(directory, target, { recursive: true, verbatimSymlinks: true });
  return target;
}

/** What the hook made, as files of this user's, in `target`. */
export async function bringHome({ made }: SharedPlace, target: string): Promise<void> {
  await inside("cp", "-r", "--preserve=mode,timestamps", "--sparse=always", "--", `${made}/.`, target);
}

export async function removeShared(path: string): Promise<void> {
  await inside("rm", "-rf", "--", path);
}

/** Removes what this user's builders left that are no longer alive. */
export async function cleanShared(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const path = join(tmpdir(), name);
    if (!name.startsWith(prefix)) continue;
    const found = await lstat(path).catch(() => undefined);
    if (found?.isDirectory() !== true || found.uid !== process.getuid?.()) continue;
    if (await ownedByLiving(path)) continue;
    await removeShared(path).catch(() => {
      // Namespaces have been forbidden since: it costs space in /tmp, nothing else.
    });
  }
}

async function inside(program: string, ...args: string[]): Promise<void> {
  await runChecked("unshare", [...ownNamespace, program, ...args]);
}
