/** One small file of a work tree that banger itself reads: settings that a repository brings. */
import { closeSync, readSync } from "node:fs";
import { BangerError } from "../base/base.ts";
import { printable } from "./printable.ts";
import { TreeReader } from "./tree-reader.ts";

/**
 * Its text, or undefined when there is none. `path` is relative to `root`, and no link is followed on its way. Throws
 * bad_repository for a link, for more than `maxBytes`, and for what is not UTF-8.
 */
export function readWorkTreeFile(root: string, path: string, maxBytes: number): string | undefined {
  const bad = (what: string, cause?: unknown) =>
    new BangerError("bad_repository", `${printable(Buffer.from(path))} ${what}`, { cause });
  const reader = new TreeReader(root);
  try {
    const opened = reader.open(Buffer.from(path), false);
    if (opened.kind === "gone") return undefined;
    if (opened.kind === "symlink") throw bad("is a symbolic link, which banger does not follow");
    try {
      if (opened.stat.size > maxBytes) throw bad(`is larger than ${maxBytes / 1024} KiB`);
      const bytes = Buffer.alloc(opened.stat.size);
      const have = readSync(opened.fd, bytes, 0, bytes.length, 0);
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, have));
    } catch (error) {
      if (error instanceof TypeError) throw bad("is not UTF-8", error);
      throw error;
    } finally {
      closeSync(opened.fd);
    }
  } finally {
    reader.close();
  }
}
