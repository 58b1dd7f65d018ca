/** What a path in a guest is, told by how packing it begins: guests need no program for that. */
import type { Readable } from "node:stream";
import { BangerError } from "../base/base.ts";
import { TarReader } from "../tar/tar.ts";

export type GuestPathKind = "directory" | "file" | "missing";

/**
 * `tar` is the archive of the path with "/." behind it, which only a directory, or a link to one, can be read by. Its stream
 * is ended. Throws what else went wrong in the guest.
 */
export async function pathKindOf(tar: Readable): Promise<GuestPathKind> {
  let found: GuestPathKind | undefined;
  const reader = new TarReader({
    entry: ({ type }) => {
      found ??= type === "directory" ? "directory" : "file";
    },
    data: () => {},
    hole: () => {},
    end: () => {},
  });
  try {
    for await (const chunk of tar) {
      reader.push(chunk as Buffer);
      if (found !== undefined) return found;
    }
  } catch (error) {
    if (!(error instanceof BangerError)) throw error;
    // Something below it was being read: of `/` it fails in /sys, and soon enough to take along what had come.
    if (/ failed in the guest: (tar: )?\.\//.test(error.message)) return "directory";
    if (/No such file or directory/.test(error.message)) return "missing";
    if (/Not a directory/.test(error.message)) return "file";
    throw error;
  } finally {
    tar.destroy();
  }
  throw new BangerError("guest_failed", "the guest sent an empty archive");
}
