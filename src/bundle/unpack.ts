/** A bundle's members, put into a directory as they stream by. */
import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { dirname, join } from "node:path";
import type { z } from "zod";
import { BangerError, formatBytes } from "../base/base.ts";
import { unpacked } from "../packed/packed.ts";
import { SparseWriter } from "../sys/sys.ts";
import { type TarEntry, type TarListener, TarReader } from "../tar/tar.ts";
import { maxManifestBytes } from "./manifest.ts";

export interface BundleShape<M> {
  /** Of the member `manifest.json`, which is the first. */
  manifest: z.ZodType<M>;
  /** How large a file of that path may be at most, in bytes; undefined: there may be none. Directories follow from files. */
  maxBytesOf(path: string, manifest: M): number | undefined;
  /** The names of those that must be there. */
  required(manifest: M): readonly string[];
}

export interface UnpackRequest<M> {
  /** Of the whole file, packed. */
  chunks: AsyncIterable<Uint8Array>;
  shape: BundleShape<M>;
  /** New and empty. */
  directory: string;
  /** What the members may take together on the disk, in bytes: holes are free. */
  maxBytes: number;
  signal: AbortSignal;
}

/** Writers fill their last record: GNU tar's has 10 KiB. */
const maxBehindBytes = 4 * 1024 * 1024;
/** Modules of a kernel are a few thousand. */
const maxMembers = 20_000;

/**
 * The manifest, when all of it is there; the members are in the directory then, without the manifest. Throws corrupt for
 * what is no bundle of the shape, and what `chunks` throws. What a failed call leaves in the directory is the caller's to remove.
 */
export async function unpackBundle<M>(request: UnpackRequest<M>): Promise<M> {
  const members = new Members(request);
  const reader = new TarReader(members);
  try {
    let behind = 0;
    for await (const chunk of unpacked("zstd", request.chunks)) {
      request.signal.throwIfAborted();
      if (reader.hasEnded) behind += chunk.length;
      if (behind > maxBehindBytes) throw new BangerError("corrupt", "the bundle goes on behind its end");
      reader.push(chunk);
    }
    reader.finish();
    return members.finish();
  } catch (error) {
    if (request.signal.aborted) throw new BangerError("cancelled", "cancelled", { cause: error });
    throw error;
  } finally {
    members.close();
  }
}

class Members<M> implements TarListener {
  readonly #request: UnpackRequest<M>;
  readonly #found = new Set<string>();
  #manifest: M | undefined;
  /** The manifest's bytes while they come. */
  #text: Buffer[] | undefined;
  #file: { fd: number; writer: SparseWriter } | undefined;
  #bytes = 0;

  constructor(request: UnpackRequest<M>) {
    this.#request = request;
  }

  entry(entry: TarEntry): void {
    const path = entry.path.toString("utf8").replace(/^\.\//, "").replace(/\/$/, "");
    if (entry.type === "directory") return;
    if (entry.type !== "file") throw refused(path, `it is a ${entry.type}`);
    if (this.#found.has(path)) throw refused(path, "it is there twice");
    if (this.#found.size === maxMembers) throw refused(path, "there are too many");
    this.#found.add(path);
    if (path === "manifest.json") {
      if (this.#found.size > 1) throw refused(path, "it is not the first");
      if (entry.sizeBytes > maxManifestBytes) throw refused(path, `it has ${formatBytes(entry.sizeBytes)}`);
      this.#text = [];
      return;
    }
    if (this.#manifest === undefined) throw refused(path, "no manifest.json is before it");
    const most = isPlain(entry.path, path) ? this.#request.shape.maxBytesOf(path, this.#manifest) : undefined;
    if (most === undefined) throw refused(path, "bundles of its kind have none of that name");
    if (entry.sizeBytes > most)
      throw refused(path, `it has ${formatBytes(entry.sizeBytes)}, more than ${formatBytes(most)}`);
    this.#file = this.#open(join(this.#request.directory, path));
  }

  data(chunk: Buffer): void {
    // A copy: what was pushed is only lent.
    if (this.#text !== undefined) this.#text.push(Buffer.from(chunk));
    else if (this.#file !== undefined) {
      this.#bytes += this.#file.writer.write(chunk);
      if (this.#bytes > this.#request.maxBytes) {
        throw new BangerError(
          "corrupt",
          `the bundle unpacks to more than the ${formatBytes(this.#request.maxBytes)} that were said`,
        );
      }
    }
  }

  hole(bytes: number): void {
    if (this.#text !== undefined) throw refused("manifest.json", "it has holes");
    this.#file?.writer.hole(bytes);
  }

  end(): void {
    if (this.#text !== undefined) {
      this.#manifest = parseManifest(Buffer.concat(this.#text), this.#request.shape.manifest);
      this.#text = undefined;
    }
    this.#file?.writer.end();
    this.close();
  }

  /** Throws corrupt when something is missing. */
  finish(): M {
    if (this.#manifest === undefined) throw new BangerError("corrupt", "the bundle has no manifest.json");
    for (const name of this.#request.shape.required(this.#manifest))
      if (!this.#found.has(name)) throw new BangerError("corrupt", `the bundle has no ${name}`);
    return this.#manifest;
  }

  close(): void {
    if (this.#file !== undefined) closeSync(this.#file.fd);
    this.#file = undefined;
  }

  #open(path: string): { fd: number; writer: SparseWriter } {
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
      const fd = openSync(
        path,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW,
        0o644,
      );
      return { fd, writer: new SparseWriter(fd) };
    } catch (error) {
      throw contradiction(error);
    }
  }
}

/** A file in the place of a directory, or one below a file: members that cannot be together. */
export function contradiction(error: unknown): unknown {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code !== "EEXIST" && code !== "ENOTDIR" && code !== "EISDIR") return error;
  return new BangerError("corrupt", "the bundle has two things in one place", { cause: error });
}

/** UTF-8 without anything that leads elsewhere: links are no members, so nothing but names can. */
function isPlain(bytes: Buffer, path: string): boolean {
  if (!Buffer.from(bytes.toString("utf8")).equals(bytes)) return false;
  return path.split("/").every((part) => part !== "" && part !== "." && part !== ".." && part.length <= 255);
}

function parseManifest<M>(bytes: Buffer, schema: z.ZodType<M>): M {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString("utf8"));
  } catch (cause) {
    throw new BangerError("corrupt", "the bundle's manifest.json is no JSON", { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new BangerError(
    "corrupt",
    `the bundle's manifest.json is none of its kind: ${issue?.path.join(".")}: ${issue?.message}`,
  );
}

function refused(path: string, why: string): BangerError {
  return new BangerError(
    "corrupt",
    `the bundle has a member ${JSON.stringify(path.slice(0, 200))} that no bundle has: ${why}`,
  );
}
