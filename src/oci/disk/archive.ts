/** A tar on the disk as a set of files: read through once for where each of them is and what its digest is. */
import { createHash, type Hash } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { posix } from "node:path";
import { BangerError, wrap } from "../../base/base.ts";
import { Digest } from "../../download/download.ts";
import { type TarEntry, type TarListener, TarReader } from "../../tar/tar.ts";

export interface Member {
  offset: number;
  sizeBytes: number;
  digest: Digest;
}

export interface Archive {
  file: FileHandle;
  /** Throws corrupt for links that lead nowhere; undefined for what is not there. */
  member(name: string): Member | undefined;
}

const maxMembers = 20_000;
const maxLinks = 8;
const chunkBytes = 1024 * 1024;

/** The caller closes its file. Throws not_found, corrupt, cancelled; bad_request for what is packed. */
export async function openArchive(path: string, signal: AbortSignal): Promise<Archive> {
  const file = await openFile(path);
  try {
    const index = new Index();
    const reader = new TarReader(index);
    const chunk = Buffer.alloc(chunkBytes);
    for (;;) {
      if (signal.aborted) throw new BangerError("cancelled", "cancelled", { cause: signal.reason });
      const { bytesRead } = await file.read(chunk, 0, chunkBytes, index.position);
      if (bytesRead === 0) break;
      if (index.position === 0) refusePacked(chunk, path);
      index.chunk = chunk;
      reader.push(chunk.subarray(0, bytesRead));
      index.position += bytesRead;
    }
    reader.finish();
    return { file, member: (name) => index.find(name) };
  } catch (error) {
    await file.close();
    throw wrap(error, path);
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    if ((await file.stat()).isFile()) return file;
    await file.close();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
  }
  throw new BangerError("not_found", `there is no file ${path}`);
}

function refusePacked(chunk: Buffer, path: string): void {
  const magic = chunk.toString("hex", 0, 4);
  if (
    magic.startsWith("1f8b") ||
    magic === "28b52ffd" ||
    magic.startsWith("fd377a58") ||
    magic.startsWith("425a68")
  ) {
    throw new BangerError("bad_request", "it is a compressed archive", {
      hint: `unpack it to a plain .tar first: ${path}`,
    });
  }
}

class Index implements TarListener {
  /** Of the chunk that is being read, in the file. */
  position = 0;
  chunk = Buffer.alloc(0);
  readonly #members = new Map<string, Member | { link: string }>();
  #open: { name: string; offset: number | undefined; sizeBytes: number; hash: Hash } | undefined;

  entry({ type, path, linkTarget, sizeBytes }: TarEntry): void {
    if (this.#members.size === maxMembers)
      throw new BangerError("corrupt", `it has more than ${maxMembers} members`);
    const name = plain(path.toString("utf8"));
    const target = linkTarget.toString("utf8");
    if (type === "symlink") this.#members.set(name, { link: posix.join(posix.dirname(name), target) });
    else if (type === "hardlink") this.#members.set(name, { link: plain(target) });
    else if (type === "file") this.#open = { name, offset: undefined, sizeBytes, hash: createHash("sha256") };
  }

  data(piece: Buffer): void {
    if (this.#open === undefined) return;
    this.#open.offset ??= this.position + piece.byteOffset - this.chunk.byteOffset;
    this.#open.hash.update(piece);
  }

  hole(): void {
    throw new BangerError("corrupt", "it has a sparse file in it, as no image has");
  }

  end(): void {
    if (this.#open === undefined) return;
    const { name, offset, sizeBytes, hash } = this.#open;
    this.#open = undefined;
    const digest = Digest.parse(`sha256:${hash.digest("hex")}`);
    this.#members.set(name, { offset: offset ?? 0, sizeBytes, digest });
  }

  find(name: string): Member | undefined {
    let at = plain(name);
    for (let links = 0; links < maxLinks; links += 1) {
      const found = this.#members.get(at);
      if (found === undefined || !("link" in found)) return found;
      at = found.link;
    }
    throw new BangerError(
      "corrupt",
      `its member ${JSON.stringify(name.slice(0, 200))} is a link that leads nowhere`,
    );
  }
}

function plain(name: string): string {
  return posix.normalize(name).replace(/^\/+/, "");
}
