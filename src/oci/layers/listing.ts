/**
 * What a layer says of its files, without what is in them: written while the layer is unpacked, and read as often as it is
 * needed. A file of frames: their length in four bytes, and an array of entries as JSON, packed by zstd.
 *
 * Only files that this machine has written are read. Names are bytes: one character each.
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { BangerError } from "../../base/base.ts";
import type { TarEntry, TarEntryType } from "../../tar/tar.ts";

export interface ListedEntry
  extends Pick<
    TarEntry,
    "type" | "mode" | "uid" | "gid" | "sizeBytes" | "mtimeS" | "mtimeNs" | "attributes"
  > {
  path: string;
  /** Of symbolic and hard links; else empty. */
  linkTarget: string;
  /** Of a file that is not empty: which of the layer's contents it has, in their order. */
  content: number | undefined;
}

type Row = [
  type: TarEntryType,
  path: string,
  mode: number,
  uid: number,
  gid: number,
  sizeBytes: number,
  mtimeS: number,
  mtimeNs: number,
  linkTarget: string,
  attributes: [name: string, base64: string][],
];

/** Bounds what reader and writer hold at a time. */
const frameRows = 1000;
const frameCharacters = 256 * 1024;

export class ListingWriter {
  readonly #fd: number;
  #rows: Row[] = [];
  #characters = 0;

  /** Made anew. */
  constructor(path: string) {
    this.#fd = openSync(path, "wx", 0o600);
  }

  add(entry: TarEntry): void {
    const { type, mode, uid, gid, sizeBytes, mtimeS, mtimeNs } = entry;
    const path = entry.path.toString("latin1");
    const linkTarget = entry.linkTarget.toString("latin1");
    const attributes = entry.attributes.map(({ name, value }): [string, string] => [
      name,
      value.toString("base64"),
    ]);
    this.#rows.push([type, path, mode, uid, gid, sizeBytes, mtimeS, mtimeNs, linkTarget, attributes]);
    this.#characters += path.length + linkTarget.length;
    for (const [name, value] of attributes) this.#characters += name.length + value.length;
    if (this.#rows.length >= frameRows || this.#characters >= frameCharacters) this.#flush();
  }

  finish(): void {
    this.#flush();
  }

  close(): void {
    closeSync(this.#fd);
  }

  #flush(): void {
    if (this.#rows.length === 0) return;
    const frame = Bun.zstdCompressSync(JSON.stringify(this.#rows), { level: 1 });
    const length = Buffer.alloc(4);
    length.writeUInt32LE(frame.length);
    for (const bytes of [length, frame])
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    this.#rows = [];
    this.#characters = 0;
  }
}

/** The entries of a listing, in the layer's order. Throws corrupt for a file that is none. */
export function* readListing(path: string): Generator<ListedEntry> {
  const fd = openSync(path, "r");
  let content = 0;
  try {
    for (;;) {
      const length = take(fd, 4);
      if (length === undefined) return;
      const frame = take(fd, length.readUInt32LE());
      if (frame === undefined) throw new BangerError("corrupt", `the listing ${path} is cut off`);
      const rows = JSON.parse(Buffer.from(Bun.zstdDecompressSync(frame)).toString("utf8")) as Row[];
      for (const row of rows) {
        const has = row[0] === "file" && row[5] > 0;
        yield entryOf(row, has ? content : undefined);
        if (has) content += 1;
      }
    }
  } finally {
    closeSync(fd);
  }
}

function entryOf(row: Row, content: number | undefined): ListedEntry {
  const [type, path, mode, uid, gid, sizeBytes, mtimeS, mtimeNs, linkTarget, encoded] = row;
  const attributes =
    encoded.length === 0
      ? none
      : encoded.map(([name, value]) => ({ name, value: Buffer.from(value, "base64") }));
  return { type, path, mode, uid, gid, sizeBytes, mtimeS, mtimeNs, linkTarget, attributes, content };
}

const none: TarEntry["attributes"] = [];

/** The next bytes; undefined at the end of the file. */
function take(fd: number, bytes: number): Buffer | undefined {
  const into = Buffer.allocUnsafe(bytes);
  for (let have = 0; have < bytes; ) {
    const got = readSync(fd, into, have, bytes - have, null);
    if (got === 0) return undefined;
    have += got;
  }
  return into;
}
