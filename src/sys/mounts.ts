/** What a path is on: statfs(2), and the mount's options by /proc/self/mountinfo (proc_pid_mountinfo(5)). */
import { readFile, realpath, statfs } from "node:fs/promises";

export interface FileSystem {
  /** As mount(8) names it: ext4, btrfs, tmpfs ... */
  type: string;
  mountPoint: string;
  options: readonly string[];
  totalBytes: number;
  /** What an ordinary user may still use. */
  freeBytes: number;
  totalInodes: number;
  freeInodes: number;
}

/** The path must be there. */
export async function fileSystemOf(path: string): Promise<FileSystem> {
  const [{ bsize, blocks, bavail, files, ffree }, mounts, real] = await Promise.all([
    statfs(path),
    readFile("/proc/self/mountinfo", "utf8"),
    realpath(path),
  ]);
  const mount = mountOf(mounts, real);
  return {
    type: mount?.type ?? "unknown",
    mountPoint: mount?.point ?? "/",
    options: mount?.options ?? [],
    totalBytes: blocks * bsize,
    freeBytes: bavail * bsize,
    totalInodes: files,
    freeInodes: ffree,
  };
}

export interface Mount {
  point: string;
  type: string;
  options: readonly string[];
}

/** The mount that a path, free of links, is on: the one with the longest mount point; of two on one point the later. */
export function mountOf(mountinfo: string, path: string): Mount | undefined {
  let best: Mount | undefined;
  for (const line of mountinfo.split("\n")) {
    const [mounted = "", source = ""] = line.split(" - ");
    const [, , , , point, options] = mounted.split(" ");
    if (point === undefined || options === undefined) continue;
    const plain = unescaped(point);
    const below = plain === "/" || path === plain || path.startsWith(`${plain}/`);
    if (!below || (best !== undefined && plain.length < best.point.length)) continue;
    best = { point: plain, type: source.split(" ")[0] ?? "", options: options.split(",") };
  }
  return best;
}

/** Blanks, line breaks and backslashes are written as \ooo. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
