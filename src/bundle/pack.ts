/**
 * Making a bundle: GNU tar, which keeps holes, and zstd. The same directory gives the same bytes: names are sorted, times
 * and owners are none, and the file's name has its digest in it.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { allocated, allocatedIn, cleanEnvironment, removeTree, runStreaming } from "../sys/sys.ts";
import type { ImageBundleManifest, KernelBundleManifest } from "./manifest.ts";

export interface PackRequest {
  manifest: ImageBundleManifest | KernelBundleManifest;
  /** Has the members. */
  directory: string;
  /** Names in it; a directory stands for all that is in it. */
  members: readonly string[];
  /** Where the bundle goes; made when it is not there. */
  into: string;
  /** zstd's, 1 to 19. */
  level: number;
  signal: AbortSignal;
}

export interface PackedBundle {
  path: string;
  /** <name>-<arch>-<12 digits of its sha256>.tar.zst */
  name: string;
  sha256: string;
  size: number;
  /** What the members take on this disk, in bytes. */
  unpackedBytes: number;
}

/** Throws cancelled, operation_failed with what the programs said. A failed call leaves nothing. */
export async function packBundle(request: PackRequest): Promise<PackedBundle> {
  const { manifest, directory, members, into, level, signal } = request;
  const staging = join(into, `.bundle-${process.pid}`);
  await mkdir(staging, { recursive: true });
  try {
    await writeFile(join(staging, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    const packed = join(staging, "bundle");
    const tar = [
      // GNU's own format: POSIX's has tar's process number in it, where a file has holes.
      ...["--create", "--sparse", "--format=gnu"],
      ...["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "--mode=u=rwX,go=rX"],
      // Links of a kernel's modules lead to the sources it was built from.
      ...["--exclude=build", "--exclude=source"],
      ...["--file=-", "-C", staging, "manifest.json", "-C", directory, ...members],
    ];
    const script = 'set -o pipefail; out=$1 level=$2; shift 2; tar "$@" | zstd -q -T0 "-$level" -o "$out"';
    await runBoth(["-c", script, "bash", packed, String(level), ...tar], staging, signal);
    const sha256 = await digestOf(packed);
    const name = `${manifest.name}-${manifest.arch}-${sha256.slice(0, 12)}.tar.zst`;
    const path = join(into, name);
    const { size } = await stat(packed);
    await rename(packed, path);
    const paths = members.map((member) => join(directory, member));
    const trees = await Promise.all(paths.map((tree) => allocatedIn(tree)));
    const unpackedBytes = trees.reduce((sum, bytes) => sum + bytes, await allocated(paths));
    return { path, name, sha256, size, unpackedBytes };
  } finally {
    await removeTree(staging);
  }
}

/** As a group of processes: given up, both end at once. */
async function runBoth(args: readonly string[], cwd: string, signal: AbortSignal): Promise<void> {
  const said: string[] = [];
  const onLine = (line: string) => {
    if (said.push(line) > 3) said.shift();
  };
  const status = await runStreaming("bash", args, { cwd, env: cleanEnvironment(), signal, onLine });
  if (status === 0) return;
  throw new BangerError(
    "operation_failed",
    `tar and zstd failed with status ${status}: ${said.join("; ") || "no message"}`,
  );
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk);
  return hash.digest("hex");
}
