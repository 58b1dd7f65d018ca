/** An archive of a guest's made into a file or a tree: beneath one directory and nowhere else, whatever the archive says. */
import { chmodSync, linkSync, lstatSync, lutimesSync, mkdirSync, symlinkSync, utimesSync } from "node:fs";
import { type TarEntry, type TarListener, TarReader } from "../tar/tar.ts";
import { removeAbandoned } from "./aside.ts";
import { Below } from "./below.ts";
import { failure, isErrno } from "./failure.ts";
import { GuestArchive, outOf } from "./guest-archive.ts";
import { asideOf, NewFile, takeItsPlace } from "./new-file.ts";

export interface TreeTarget {
  /** Must be there. */
  directory: string;
  /** What the tree is called in it, whatever the guest calls it; undefined: its content goes right into the directory. */
  name: string | undefined;
}

export interface UnpackOptions {
  /** Told of the bytes of files as they come. */
  onBytes?: (count: number) => void;
  /** Told of the size, before its bytes come, when all of it is one file. */
  onSize?: (bytes: number) => void;
  warn?: (message: string) => void;
}

/** Beyond it, some file systems refuse, and nobody has been. In s. */
const lastSecond = 2 ** 34;

interface MadeDirectory {
  components: readonly Buffer[];
  mode: number;
  time: number;
}

/** push() what comes, then finish(); or abort(). All writes are synchronous. */
export class TreeUnpacker implements TarListener {
  readonly #reader = new TarReader(this);
  readonly #below: Below;
  readonly #prefix: readonly Buffer[];
  readonly #archive = new GuestArchive();
  /** The file that is being written, and where. */
  #file: NewFile | undefined;
  #at: readonly Buffer[] = [];
  readonly #directories: MadeDirectory[] = [];
  #bytes = 0;
  #files = 0;
  #leftOut = 0;
  #gitSeen = false;

  constructor(
    target: TreeTarget,
    private readonly options: UnpackOptions = {},
  ) {
    this.#below = new Below(target.directory);
    removeAbandoned(this.#below.inside([]));
    this.#prefix = target.name === undefined ? [] : [Buffer.from(target.name)];
  }

  /** Throws corrupt for what is no archive or leads out of it, and what the host's files say. */
  push(chunk: Buffer): void {
    this.#reader.push(chunk);
  }

  /** The archive is over. Throws corrupt when it was cut off. */
  finish(): { files: number; bytes: number } {
    this.#reader.finish();
    this.#archive.finish();
    // Modes come last: there may be none to write with. Inner ones first, whose writing changes the outer's time.
    for (const { components, mode, time } of this.#directories.reverse()) {
      const place = this.#below.inside(components);
      this.#act(components, () => {
        utimesSync(place, time, time);
        chmodSync(place, mode);
      });
    }
    this.#below.close();
    if (this.#leftOut > 0)
      this.options.warn?.(`left out ${this.#leftOut} of the guest's files that are devices or pipes`);
    return { files: this.#files, bytes: this.#bytes };
  }

  /** Leaves no half file. What is whole stays. */
  abort(): void {
    this.#file?.discard();
    this.#file = undefined;
    this.#below.close();
  }

  entry(entry: TarEntry): void {
    const components = [...this.#prefix, ...this.#archive.place(entry)];
    this.#bytes += entry.sizeBytes;
    if (entry.type !== "directory") this.#files += 1;
    switch (entry.type) {
      case "directory":
        this.#makeDirectory(components, entry);
        break;
      case "symlink":
        this.#put(components, (aside) => {
          symlinkSync(entry.linkTarget, aside);
          lutimesSync(aside, timeOf(entry), timeOf(entry));
        });
        break;
      case "hardlink":
        this.#hardLink(components, [...this.#prefix, ...this.#archive.below(entry.linkTarget)]);
        break;
      case "file":
        if (this.#archive.isSingle) this.options.onSize?.(entry.sizeBytes);
        this.#file = this.#act(
          components,
          () =>
            new NewFile(this.#below.place(components), {
              ...{ sizeBytes: entry.sizeBytes, mode: entry.mode & 0o777, time: timeOf(entry) },
            }),
        );
        this.#at = components;
        break;
      default:
        this.#files -= 1;
        this.#leftOut += 1;
    }
  }

  data(chunk: Buffer): void {
    this.#act(this.#at, () => this.#file?.write(chunk));
    this.options.onBytes?.(chunk.length);
  }

  hole(bytes: number): void {
    this.#file?.leave(bytes);
  }

  end(): void {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) this.#act(this.#at, () => file.finish());
  }

  #makeDirectory(components: readonly Buffer[], entry: TarEntry): void {
    if (components.at(-1)?.equals(dotGit) === true && !this.#gitSeen) {
      this.#gitSeen = true;
      this.options.warn?.(
        `${this.#below.shown(components)} comes from the guest: git on this host runs what its settings and hooks name`,
      );
    }
    // The user's own directory: what it is like is not the guest's to say.
    if (components.length === 0) return;
    this.#act(components, () => {
      const at = this.#below.place(components);
      try {
        mkdirSync(at, { mode: 0o700 });
      } catch (error) {
        // One that is there is filled, and stays what it is.
        if (isErrno(error, "EEXIST") && lstatSync(at).isDirectory()) {
          removeAbandoned(this.#below.inside(components));
          return;
        }
        throw error;
      }
      this.#directories.push({ components, mode: entry.mode & 0o777, time: timeOf(entry) });
    });
  }

  #hardLink(components: readonly Buffer[], target: readonly Buffer[]): void {
    // Both their directories are open at once.
    const targets = new Below(this.#below.directory);
    try {
      this.#put(components, (aside) => {
        const old = targets.place(target);
        // link(2) goes through no link; what was here before the copy is the user's own anyway.
        if (!lstatSync(old).isFile()) throw outOf(Buffer.concat(target));
        linkSync(old, aside);
      });
    } finally {
      targets.close();
    }
  }

  /** Makes something that is not written to under another name, and gives it its own. */
  #put(components: readonly Buffer[], make: (aside: Buffer) => void): void {
    this.#act(components, () => {
      const place = this.#below.place(components);
      const aside = asideOf(place);
      make(aside);
      takeItsPlace(aside, place);
    });
  }

  #act<T>(components: readonly Buffer[], act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw failure(this.#below.shown(components), error);
    }
  }
}

const dotGit = Buffer.from(".git");

function timeOf({ mtimeS, mtimeNs }: TarEntry): number {
  return Math.min(Math.max(0, mtimeS), lastSecond) + mtimeNs / 1e9;
}
