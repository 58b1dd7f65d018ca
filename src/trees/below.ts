/**
 * Places below a directory, each reached a component at a time from a descriptor of it, by /proc/self/fd/<parent>/<name> with
 * O_NOFOLLOW: what openat(2) would do, which Bun does not have. A link that an archive makes, or somebody beside it, leads
 * nowhere. Directories stay open while neighbours are written.
 */
import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { BangerError } from "../base/base.ts";
import { failure, isErrno } from "./failure.ts";
import { shown } from "./shown.ts";

/** O_PATH is in no Node: it is <bits/fcntl-linux.h>'s, and the directory need only be searchable. */
const asPlace: number = 0o10000000 | constants.O_DIRECTORY | constants.O_NOFOLLOW;

interface OpenDirectory {
  name: Buffer;
  fd: number;
}

/** Has a lifecycle: close() lets the directories go. */
export class Below {
  readonly #root: number;
  readonly #open: OpenDirectory[] = [];

  /** `directory` is the user's own word: links in it are gone through. */
  constructor(readonly directory: string) {
    try {
      this.#root = openSync(directory, asPlace & ~constants.O_NOFOLLOW);
    } catch (error) {
      throw failure(directory, error);
    }
  }

  /** For system calls, until the next call: the last component in its directory, which is made when it is missing. */
  place(components: readonly Buffer[]): Buffer {
    const parent = this.#enter(components.slice(0, -1));
    return within(parent, components.at(-1) ?? Buffer.from("."));
  }

  /** The same for a directory itself. */
  inside(components: readonly Buffer[]): Buffer {
    return within(this.#enter(components), Buffer.from("."));
  }

  /** For messages. */
  shown(components: readonly Buffer[]): string {
    const below = components.map(shown).join("/");
    return below === "" ? this.directory : `${this.directory.replace(/\/$/, "")}/${below}`;
  }

  close(): void {
    this.#leave(0);
    closeSync(this.#root);
  }

  #enter(components: readonly Buffer[]): number {
    let parent = this.#root;
    for (const [depth, name] of components.entries()) {
      let next = this.#open[depth];
      if (next === undefined || !next.name.equals(name)) {
        this.#leave(depth);
        next = { name, fd: this.#openOrMake(within(parent, name), components.slice(0, depth + 1)) };
        this.#open.push(next);
      }
      parent = next.fd;
    }
    this.#leave(components.length);
    return parent;
  }

  #openOrMake(place: Buffer, components: readonly Buffer[]): number {
    try {
      try {
        return openSync(place, asPlace);
      } catch (error) {
        if (!isErrno(error, "ENOENT")) throw error;
        mkdirSync(place);
        return openSync(place, asPlace);
      }
    } catch (error) {
      if (!isErrno(error, "ENOTDIR", "ELOOP")) throw failure(this.shown(components), error);
      throw new BangerError(
        "already_exists",
        `${this.shown(components)} is a link or a file: nothing is written through it`,
        { cause: error },
      );
    }
  }

  #leave(depth: number): void {
    for (const { fd } of this.#open.splice(depth)) closeSync(fd);
  }
}

function within(parent: number, name: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`/proc/self/fd/${parent}/`), name]);
}
