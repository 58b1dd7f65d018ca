/** [[file_sync]]: what of the user's home goes into each new VM, and where. */
import { isAbsolute, join, posix, relative } from "node:path";
import { BangerError } from "../base/base.ts";
import type { Config } from "./schema.ts";

export interface FileSyncEntry {
  /** As it is written, for messages. */
  shown: string;
  /** Absolute, and as a name inside of the home; where links lead from there is another question. */
  host: string;
  /** Below the guest's /root. */
  guest: string;
  /** Of a file; a directory's files keep theirs. */
  mode: number;
}

/** Throws bad_config for a path outside of `home`. `path` is the file's, for messages. */
export function fileSyncEntries(config: Config, home: string, path: string): FileSyncEntry[] {
  const problems: string[] = [];
  const entries = config.file_sync.map(({ host, guest, mode }, index): FileSyncEntry => {
    const absolute = posix.normalize(host.startsWith("~/") ? join(home, host.slice(2)) : host);
    const inside = relative(home, absolute);
    if (inside === "" || inside.startsWith("..") || isAbsolute(inside))
      problems.push(`${path}: file_sync.${index}.host: must be inside of your home, ${home}`);
    return {
      shown: host,
      host: absolute.replace(/\/$/, ""),
      guest: posix.normalize(guest.replace(/^(~|\/root)\/+/, "")).replace(/\/$/, ""),
      mode: Number.parseInt(mode ?? "0600", 8),
    };
  });
  if (problems.length === 0) return entries;
  throw new BangerError("bad_config", problems.join("\n"), {
    hint: "every key and its allowed values: docs/config.md",
    details: { problems },
  });
}
