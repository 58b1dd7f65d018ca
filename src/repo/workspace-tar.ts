/**
 * The tar stream of a workspace: its files first, then the .git directory, whose pack is made meanwhile.
 *
 * A file is read from the descriptor it was checked on. One that vanishes is left out (git in the guest then shows it
 * deleted, which is the truth); one that shrinks while a header already promised more ends the stream with an error:
 * a tar that is complete is right.
 */
import { closeSync, fstatSync, openSync, readSync, type Stats } from "node:fs";
import { basename } from "node:path";
import { BangerError } from "../base/base.ts";
import { tarEnd, tarHeader, tarPadding } from "../tar/tar.ts";
import { isClean } from "./clean.ts";
import { readBlobs } from "./commit-tree.ts";
import { type GuestGitFile, guestGitDirectories } from "./guest-git.ts";
import type { IndexEntry } from "./index-file.ts";
import { type GuestIndexEntry, writeIndex } from "./index-write.ts";
import type { FileListing } from "./list.ts";
import type { Repository } from "./open.ts";
import { printable } from "./printable.ts";
import { TarBatch, tarMember } from "./tar-batch.ts";
import { TreeReader } from "./tree-reader.ts";

export interface TarPlan {
  repo: Repository;
  listing: FileListing;
  /** The text files of the guest's .git. */
  texts: readonly GuestGitFile[];
  /** Resolves with the packs to send. */
  packs: Promise<{ pack: string; idx: string }[]>;
  /** Names, in Latin-1, of files of the work tree that are there already: only the index tells of them. */
  leftOut: ReadonlySet<string>;
  signal: AbortSignal;
}

type CleanStat = { mtimeS: number; size: number };

const pieceBytes = 1024 * 1024;

/** The stream's pieces, in order. Between pieces of about a megabyte the event loop gets its turn. */
export async function* workspaceTar(plan: TarPlan): AsyncGenerator<Buffer> {
  let sinceTurn = 0;
  for await (const piece of allPieces(plan)) {
    plan.signal.throwIfAborted();
    yield piece;
    sinceTurn += piece.length;
    if (sinceTurn < pieceBytes) continue;
    sinceTurn = 0;
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

async function* allPieces(plan: TarPlan): AsyncGenerator<Buffer> {
  const { listing, repo } = plan;
  const directories = new Directories();
  const now = Math.floor(Date.now() / 1000);
  let index: GuestIndexEntry[];
  if (listing.commit === undefined) {
    const clean = new Map<IndexEntry, CleanStat>();
    yield* workTreeFiles(plan, directories, clean);
    // As sparse: git in the guest keeps them as they are, in what it shows and in what it commits.
    const ignored = new Set(listing.ignored.map((path) => path.toString("latin1")));
    const left = (entry: IndexEntry) => ignored.size > 0 && ignored.has(entry.path.toString("latin1"));
    index = repo.inside.index.map((entry) => ({
      entry: left(entry) ? { ...entry, skipWorktree: entry.stage === 0 } : entry,
      clean: clean.get(entry),
    }));
  } else {
    // Older than the index, or git would take the files for racily clean and read them all.
    const mtimeS = now - 60;
    yield* commitFiles(plan, directories, mtimeS);
    index = listing.commit.files.map((file) => ({
      entry: { ...file, stage: 0, assumeUnchanged: false, skipWorktree: false, intentToAdd: false },
      clean: file.kind === "file" ? { mtimeS, size: file.sizeBytes } : undefined,
    }));
  }
  for (const path of guestGitDirectories) yield directory(Buffer.from(path), now);
  const indexFile = { path: ".git/index", content: writeIndex(index, repo.inside.settings.hashBytes) };
  for (const { path, content } of [...plan.texts, indexFile]) {
    yield tarMember({ path: Buffer.from(path), kind: "file", mode: 0o644, mtimeS: now }, content);
  }
  for (const { pack, idx } of await plan.packs) {
    yield* packFile(pack, now);
    yield* packFile(idx, now);
    if (repo.inside.settings.promisorRemote !== undefined) {
      const path = Buffer.from(`.git/objects/pack/${basename(pack).replace(/pack$/, "promisor")}`);
      yield tarMember({ path, kind: "file", mode: 0o444, mtimeS: now }, Buffer.alloc(0));
    }
  }
  yield tarEnd;
}

function* workTreeFiles(
  { repo, listing, leftOut }: TarPlan,
  directories: Directories,
  clean: Map<IndexEntry, CleanStat>,
): Generator<Buffer> {
  const reader = new TreeReader(repo.root);
  const batch = new TarBatch();
  const entries = new EntryCursor(repo.inside.index);
  const { fileMode } = repo.inside.settings;
  try {
    for (const file of [...listing.tracked, ...listing.untracked, ...listing.included]) {
      const opened = reader.open(file.path, file.kind === "symlink");
      if (opened.kind === "gone") continue;
      const isLeftOut = leftOut.size > 0 && leftOut.has(file.path.toString("latin1"));
      for (const header of isLeftOut ? [] : directories.above(file.path)) {
        if (!batch.fits(header.length)) yield batch.take();
        batch.commit(header, 0);
      }
      if (opened.kind === "symlink") {
        if (isLeftOut) continue;
        const { target } = opened;
        const header = tarHeader({
          path: file.path,
          kind: "symlink",
          mode: 0o777,
          size: 0,
          mtimeS: 0,
          linkTarget: target,
        });
        if (!batch.fits(header.length)) yield batch.take();
        batch.commit(header, 0);
        continue;
      }
      try {
        const { fd, stat } = opened;
        const executable = fileMode ? (stat.mode & 0o100) !== 0 : file.executable;
        if (!isLeftOut) yield* fileMember(batch, file.path, executable, opened);
        const entry = entries.find(file.path);
        if (entry !== undefined && isClean(entry, stat, fstatSync(fd), repo.inside.private.indexTimeMs)) {
          clean.set(entry, { mtimeS: Math.floor(stat.mtimeMs / 1000), size: stat.size });
        }
      } finally {
        closeSync(opened.fd);
      }
    }
    if (!batch.isEmpty) yield batch.take();
  } finally {
    reader.close();
  }
}

/** One file: into the batch where it fits, else on its own. */
function* fileMember(
  batch: TarBatch,
  path: Buffer,
  executable: boolean,
  { fd, stat }: { fd: number; stat: Stats },
): Generator<Buffer> {
  const mtimeS = Math.floor(stat.mtimeMs / 1000);
  const member = { path, kind: "file" as const, mode: executable ? 0o755 : 0o644, mtimeS };
  const header = tarHeader({ ...member, size: stat.size });
  const whole = header.length + stat.size + tarPadding(stat.size);
  if (!batch.fits(whole) && !batch.isEmpty) yield batch.take();
  if (batch.fits(whole)) {
    const got = readFully(fd, batch.room(stat.size, header.length));
    batch.commit(got === stat.size ? header : tarHeader({ ...member, size: got }), got);
  } else {
    yield header;
    yield* filePieces(fd, stat.size, path);
  }
}

async function* commitFiles(plan: TarPlan, directories: Directories, mtimeS: number): AsyncGenerator<Buffer> {
  const files = plan.listing.commit?.files ?? [];
  let target: Buffer[] = [];
  let atStart = true;
  for await (const { file, piece, last } of readBlobs(plan.repo, files, plan.signal)) {
    if (atStart) yield* directories.above(file.path);
    if (file.kind === "symlink") {
      target.push(piece);
      if (last) {
        const linkTarget = Buffer.concat(target);
        target = [];
        if (linkTarget.length === 0 || linkTarget.length > 4095 || linkTarget.includes(0)) {
          throw new BangerError(
            "bad_repository",
            `${printable(file.path)} is a symbolic link that cannot exist`,
          );
        }
        yield tarHeader({ path: file.path, kind: "symlink", mode: 0o777, size: 0, mtimeS, linkTarget });
      }
    } else {
      const mode = file.executable ? 0o755 : 0o644;
      if (atStart) yield tarHeader({ path: file.path, kind: "file", mode, size: file.sizeBytes, mtimeS });
      yield piece;
      if (last) yield Buffer.alloc(tarPadding(file.sizeBytes));
    }
    atStart = last;
  }
}

function* packFile(path: string, mtimeS: number): Generator<Buffer> {
  const fd = openSync(path, "r");
  try {
    const { size } = fstatSync(fd);
    const name = Buffer.from(`.git/objects/pack/${basename(path)}`);
    yield tarHeader({ path: name, kind: "file", mode: 0o444, size, mtimeS });
    yield* filePieces(fd, size, name);
  } finally {
    closeSync(fd);
  }
}

/** Exactly `size` bytes and the padding, in pieces. Throws when the file has become shorter. */
function* filePieces(fd: number, size: number, path: Buffer): Generator<Buffer> {
  let left = size;
  while (left > 0) {
    const piece = Buffer.allocUnsafe(Math.min(left, pieceBytes));
    const got = readFully(fd, piece);
    if (got < piece.length) {
      throw new BangerError("bad_repository", `${printable(path)} was cut short while it was being copied`, {
        hint: "run the command again when nothing is writing to the repository",
      });
    }
    left -= got;
    yield piece;
  }
  const padding = tarPadding(size);
  if (padding > 0) yield Buffer.alloc(padding);
}

function readFully(fd: number, into: Buffer): number {
  let have = 0;
  while (have < into.length) {
    const got = readSync(fd, into, have, into.length - have, null);
    if (got === 0) break;
    have += got;
  }
  return have;
}

/** Finds the entries of files that come in the index's own order. */
class EntryCursor {
  #at = 0;
  constructor(readonly entries: readonly IndexEntry[]) {}

  find(path: Buffer): IndexEntry | undefined {
    for (; this.#at < this.entries.length; this.#at += 1) {
      const entry = this.entries[this.#at];
      const order = entry?.path.compare(path) ?? 1;
      if (order === 0) return entry;
      if (order > 0) return undefined;
    }
    return undefined;
  }
}

/** Headers of directories, each once. */
class Directories {
  readonly #seen = new Set<string>();
  #last: Buffer = Buffer.alloc(0);

  *above(path: Buffer): Generator<Buffer> {
    const parent = path.subarray(0, Math.max(0, path.lastIndexOf(0x2f)));
    if (parent.length === 0 || parent.equals(this.#last)) return;
    this.#last = parent;
    for (let slash = path.indexOf(0x2f); slash >= 0; slash = path.indexOf(0x2f, slash + 1)) {
      const name = path.toString("latin1", 0, slash);
      if (this.#seen.has(name)) continue;
      this.#seen.add(name);
      yield directory(path.subarray(0, slash), 0);
    }
  }
}

function directory(path: Buffer, mtimeS: number): Buffer {
  return tarHeader({ path, kind: "directory", mode: 0o755, size: 0, mtimeS });
}
