/** What is common to all that reads a guest's archive: where its entries are in the tree, and how much is too much. */
import { BangerError } from "../base/base.ts";
import type { TarEntry } from "../tar/tar.ts";
import { shown } from "./shown.ts";

/** No tree of a guest that is wanted elsewhere has more; one that sends for ever ends here. */
const most = { entries: 1_000_000, depth: 200, bytes: 2 ** 40 };

/** Told of the entries in their order. Has a state: counts, and the tree's name as the guest has it. */
export class GuestArchive {
  /** The first component of all paths. */
  #top: Buffer | undefined;
  #isDirectory = false;
  #entries = 0;
  #bytes = 0;

  /** Where the entry is below the tree's root: no components for that itself. Throws corrupt, bad_request for too much. */
  place(entry: TarEntry): Buffer[] {
    this.#entries += 1;
    this.#bytes += entry.sizeBytes;
    if (this.#entries > most.entries) throw tooMuch(`more than ${most.entries} files`);
    if (this.#bytes > most.bytes) throw tooMuch("more than 1 TiB");
    const components = this.below(entry.path);
    if (components.length === 0) this.#isDirectory = entry.type === "directory";
    else if (!this.#isDirectory) throw outOf(entry.path);
    return components;
  }

  /** The same for a path that an entry names. */
  below(path: Buffer): Buffer[] {
    const [top = Buffer.alloc(0), ...rest] = split(path);
    this.#top ??= Buffer.from(top);
    const below = rest.filter((name) => name.length > 0 && !name.equals(dot));
    const strange = [top, ...below].some((name) => name.equals(dotDot)) || top.length === 0;
    if (strange || !top.equals(this.#top)) throw outOf(path);
    if (below.length > most.depth) throw tooMuch(`more than ${most.depth} directories in each other`);
    return below.map((name) => Buffer.from(name));
  }

  /** Whether all of it is one thing, which is no directory. */
  get isSingle(): boolean {
    return !this.#isDirectory;
  }

  /** The archive is over. Throws corrupt when there was nothing in it. */
  finish(): void {
    if (this.#top === undefined) throw emptyArchive();
  }
}

const dot = Buffer.from(".");
const dotDot = Buffer.from("..");

function split(path: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let start = 0;
  for (let slash = path.indexOf(0x2f); slash >= 0; slash = path.indexOf(0x2f, start)) {
    parts.push(path.subarray(start, slash));
    start = slash + 1;
  }
  return [...parts, path.subarray(start)];
}

/** Guests leave out what is no file, and say nothing of it. */
export function emptyArchive(): BangerError {
  return new BangerError("corrupt", "the guest sent nothing that can be copied", {
    hint: "files, directories and links are; devices, pipes and sockets are not",
  });
}

export function outOf(path: Buffer): BangerError {
  return new BangerError("corrupt", `the guest sent a path that leads out of the copy: ${shown(path)}`);
}

function tooMuch(what: string): BangerError {
  return new BangerError("bad_request", `the guest sent ${what}: the copy is given up`);
}
