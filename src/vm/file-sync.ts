/**
 * What [[file_sync]] brings into a new VM: packed when the VM is made, beside its disks, and unpacked in the guest at its first
 * start, before it is told who it is. So it is what the files were then, and it is there before anything runs.
 */
import { open, realpath, stat } from "node:fs/promises";
import { isAbsolute, relative } from "node:path";
import { BangerError, formatBytes, toBangerError } from "../base/base.ts";
import { type HostTree, tarOfTrees } from "../trees/trees.ts";
import type { VmLog } from "./deps.ts";

export interface FileSync {
  /** Nothing from outside of it is brought, whatever links there are. */
  home: string;
  entries: readonly { shown: string; host: string; guest: string; mode: number }[];
}

/** Settings, not data: who wants more has a workspace, and vm cp. */
const mostBytes = 1024 ** 3;

/** A VM's files cannot be put where they are to go. Booting it does not help. */
export class FileSyncFailed extends BangerError {
  constructor(cause: BangerError) {
    super(cause.code, `file_sync: ${cause.message}`, {
      hint: "correct file_sync in config.toml (banger daemon stop makes it count), and make the VM anew",
      cause,
    });
  }
}

/** Writes the archive to `path`, which must not be there. Throws FileSyncFailed for what can neither be brought nor left out. */
export async function packFileSync(
  { home, entries }: FileSync,
  path: string,
  { log, durable, signal }: { log: VmLog; durable: boolean; signal: AbortSignal },
): Promise<void> {
  try {
    const trees: HostTree[] = [];
    for (const [index, entry] of entries.entries()) {
      const place = await placeOf(entry, index, home, log);
      if (place !== undefined) trees.push({ place, name: entry.guest, mode: entry.mode });
    }
    let bytes = 0;
    const tar = tarOfTrees(trees, {
      ...{ signal, links: "leave out" },
      leftOut: (left, what) => log.warn("file_sync leaves something out", { path: left, what }),
      onBytes: (count) => {
        bytes += count;
        if (bytes > mostBytes)
          throw new BangerError("bad_config", `it names more than ${formatBytes(mostBytes)}`);
      },
    });
    const file = await open(path, "wx", 0o600);
    try {
      for await (const piece of tar) await file.writeFile(piece);
      if (durable) await file.sync();
    } finally {
      await file.close();
    }
  } catch (error) {
    signal.throwIfAborted();
    throw new FileSyncFailed(toBangerError(error));
  }
}

/** Where the entry's file or directory really is; undefined when there is none. */
async function placeOf(
  { shown, host }: FileSync["entries"][number],
  index: number,
  home: string,
  log: VmLog,
): Promise<string | undefined> {
  try {
    const place = await realpath(host);
    const inside = relative(await realpath(home), place);
    if (inside === "" || inside.startsWith("..") || isAbsolute(inside)) {
      throw new BangerError(
        "bad_config",
        `${shown} (file_sync.${index}) is a link to ${place}, outside of ${home}`,
      );
    }
    const found = await stat(place);
    if (found.isFile() || found.isDirectory()) return place;
    log.warn("file_sync leaves something out", { path: shown, what: "neither a file nor a directory" });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : "";
    if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
    log.warn("file_sync leaves something out", { path: shown, what: "it is not there" });
  }
  return undefined;
}
