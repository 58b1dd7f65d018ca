/** Reads an archive as it is pushed, in pieces of any size. */
import { BangerError } from "../base/base.ts";
import {
  malformed,
  maxNameBytes,
  maxPaxBytes,
  type TarEntry,
  type TarEntryType,
  type TarListener,
} from "./entry.ts";
import { type Header, headerBytes, parseHeader } from "./header.ts";
import { applyPax, type PaxRecords, parsePax, paxAttributes, paxTime } from "./pax.ts";
import { checkMap, LeadingMap, oldRealSize, parseOldMap, paxSparse, type SparseMap } from "./sparse.ts";
import { SparseContent } from "./sparse-content.ts";

const types: Record<string, TarEntryType> = {
  ...{ "0": "file", "\0": "file", "7": "file", S: "file" },
  ...{ "1": "hardlink", "2": "symlink", "3": "char", "4": "block", "5": "directory", "6": "fifo" },
};

/** What the next bytes are. */
type State =
  | { at: "header" }
  /** After one empty block: another must follow. */
  | { at: "second-end" }
  | { at: "ended" }
  /** A pax header or a long name, collected whole. */
  | { at: "extra"; flag: string; body: Buffer; have: number }
  | { at: "old-map"; header: Header; realSize: number; map: SparseMap }
  | { at: "leading-map"; header: Header; realSize: number; map: LeadingMap }
  | { at: "data"; left: number };

export class TarReader {
  #state: State = { at: "header" };
  /** A block that began in an earlier piece. */
  readonly #block = Buffer.alloc(headerBytes);
  #begun = 0;
  /** Bytes before the next block. */
  #padding = 0;
  readonly #globals: PaxRecords = new Map();
  #globalBytes = 0;
  #locals: PaxRecords = new Map();
  /** Those of the entry that is being read. */
  #records: PaxRecords = new Map();
  #long: { path?: Buffer; linkTarget?: Buffer } = {};
  /** The file that is being read, when it is sparse. */
  #sparse: SparseContent | undefined;

  constructor(readonly listener: TarListener) {}

  /** Throws corrupt for what is no archive. The chunk is not kept. */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      const state = this.#state;
      if (state.at === "ended") return;
      if (state.at === "data" && state.left > 0) {
        const end = Math.min(chunk.length, at + state.left);
        state.left -= end - at;
        (this.#sparse ?? this.listener).data(chunk.subarray(at, end));
        at = end;
        if (state.left === 0) this.#endEntry();
      } else if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, chunk.length - at);
        this.#padding -= skipped;
        at += skipped;
      } else if (state.at === "extra") {
        const end = Math.min(chunk.length, at + state.body.length - state.have);
        state.have += chunk.copy(state.body, state.have, at, end);
        at = end;
        if (state.have === state.body.length) this.#extra(state.flag, state.body);
      } else if (this.#begun === 0 && chunk.length - at >= headerBytes) {
        this.#takeBlock(chunk.subarray(at, at + headerBytes));
        at += headerBytes;
      } else {
        const end = Math.min(chunk.length, at + headerBytes - this.#begun);
        chunk.copy(this.#block, this.#begun, at, end);
        this.#begun += end - at;
        at = end;
        if (this.#begun === headerBytes) {
          this.#begun = 0;
          this.#takeBlock(this.#block);
        }
      }
    }
  }

  /** Whether the archive's end has been seen. */
  get hasEnded(): boolean {
    return this.#state.at === "ended";
  }

  /** Throws corrupt unless the archive's end has been seen. What comes behind it goes unread. */
  finish(): void {
    if (this.#state.at !== "ended") throw malformed("it is cut off");
  }

  /**
   * For whoever knows by other means that all of it has come: its end may be missing, as in layers that some builders have
   * made. Throws corrupt unless the last entry is whole.
   */
  finishWhole(): void {
    const { at } = this.#state;
    const between = at === "header" || at === "second-end" || at === "ended";
    if (!between || this.#begun > 0 || this.#expectsEntry()) throw malformed("it is cut off");
  }

  /** After a header that belongs to an entry. */
  #expectsEntry(): boolean {
    return this.#locals.size > 0 || Object.keys(this.#long).length > 0;
  }

  #takeBlock(block: Buffer): void {
    const state = this.#state;
    switch (state.at) {
      case "header":
      case "second-end":
        this.#header(block);
        return;
      case "old-map":
        if (!parseOldMap(block, false, state.map)) this.#begin(state.header, state.realSize, state.map);
        return;
      case "leading-map": {
        state.header.sizeBytes -= headerBytes;
        if (state.header.sizeBytes < 0) throw malformed("a sparse file's map is longer than its data");
        if (state.map.push(block)) this.#begin(state.header, state.realSize, state.map.map);
        return;
      }
      default:
        throw new BangerError("internal", `a block of an archive came at ${state.at}`);
    }
  }

  #header(block: Buffer): void {
    const header = parseHeader(block);
    if (header === undefined) {
      if (this.#expectsEntry()) throw malformed("it ends before an entry");
      this.#state = { at: this.#state.at === "second-end" ? "ended" : "second-end" };
      return;
    }
    if (this.#state.at === "second-end") throw malformed("it goes on behind its end");
    const flag = header.typeFlag;
    if ("xgLK".includes(flag)) {
      const most = flag === "x" || flag === "g" ? maxPaxBytes : maxNameBytes + 1;
      const size = header.sizeBytes;
      if (size === 0 || size > most) throw malformed(`a header of ${size} bytes`);
      this.#state = { at: "extra", flag, body: Buffer.alloc(size), have: 0 };
      return;
    }
    const records: PaxRecords =
      this.#globals.size === 0 ? this.#locals : new Map([...this.#globals, ...this.#locals]);
    this.#open(applyPax({ ...header, ...this.#long }, records), records, block);
  }

  /** An entry's own header: which kind of content follows. */
  #open(header: Header, records: PaxRecords, block: Buffer): void {
    this.#records = records;
    if (header.typeFlag === "S") {
      const map: SparseMap = [];
      const more = parseOldMap(block, true, map);
      const realSize = oldRealSize(block);
      if (more) this.#state = { at: "old-map", header, realSize, map };
      else this.#begin(header, realSize, map);
      return;
    }
    const sparse = types[header.typeFlag] === "file" ? paxSparse(records) : undefined;
    if (sparse?.name !== undefined) header.path = sparse.name;
    if (sparse !== undefined && sparse.map === undefined) {
      this.#state = { at: "leading-map", header, realSize: sparse.realSize, map: new LeadingMap() };
    } else {
      this.#begin(header, sparse?.realSize, sparse?.map);
    }
  }

  #begin(header: Header, realSize: number | undefined, map: SparseMap | undefined): void {
    const entry = entryOf(header, this.#records, realSize);
    // Only files have data; sizes of others are said by some writers, and mean nothing (POSIX: "shall be ignored").
    const dataBytes = entry.type === "file" ? header.sizeBytes : 0;
    if (map !== undefined && realSize !== undefined) {
      checkMap(map, realSize, dataBytes);
      this.#sparse = new SparseContent(map, realSize, this.listener);
    }
    this.#locals = new Map();
    this.#long = {};
    this.#padding = paddingOf(dataBytes);
    this.#state = { at: "data", left: dataBytes };
    this.listener.entry(entry);
    if (dataBytes === 0) this.#endEntry();
  }

  #endEntry(): void {
    this.#sparse?.end();
    this.#sparse = undefined;
    this.#state = { at: "header" };
    this.listener.end();
  }

  #extra(flag: string, body: Buffer): void {
    this.#padding = paddingOf(body.length);
    this.#state = { at: "header" };
    if (flag === "g") {
      this.#globalBytes += body.length;
      if (this.#globalBytes > maxPaxBytes) throw malformed("its global headers are too large");
      parsePax(body, this.#globals);
      for (const key of this.#globals.keys())
        if (/^(path|linkpath|size|GNU\.sparse\..*)$/.test(key)) throw malformed(`one ${key} for all entries`);
    } else if (flag === "x") {
      if (this.#locals.size > 0) throw malformed("two pax headers before one entry");
      parsePax(body, this.#locals);
    } else {
      const which = flag === "L" ? "path" : "linkTarget";
      if (this.#long[which] !== undefined) throw malformed("two long names before one entry");
      // Most writers end it with a zero.
      const name = body.at(-1) === 0 ? body.subarray(0, -1) : body;
      if (name.length > maxNameBytes || name.includes(0)) throw malformed("a long name is none");
      this.#long[which] = name;
    }
  }
}

function entryOf(header: Header, records: PaxRecords, realSize: number | undefined): TarEntry {
  const { path, typeFlag } = header;
  // Before POSIX there was no type for directories: names ended with a slash.
  const isDirectory = (typeFlag === "0" || typeFlag === "\0") && path.at(-1) === 0x2f;
  const type = isDirectory ? "directory" : types[typeFlag];
  if (type === undefined) throw malformed(`an entry of type ${JSON.stringify(typeFlag)}`);
  if (path.length === 0) throw malformed("an entry without a name");
  const isLink = type === "symlink" || type === "hardlink";
  if (isLink && header.linkTarget.length === 0) throw malformed("a link to nothing");
  const isDevice = type === "char" || type === "block";
  const { mode, uid, gid, mtimeS, linkTarget, deviceMajor, deviceMinor, sizeBytes } = header;
  if (uid < 0 || gid < 0) throw malformed("a negative user or group id");
  const time = paxTime(records);
  return {
    ...{ type, path, mode, uid, gid },
    mtimeS: time?.s ?? mtimeS,
    mtimeNs: time?.ns ?? 0,
    sizeBytes: type === "file" ? (realSize ?? sizeBytes) : 0,
    linkTarget: isLink ? linkTarget : Buffer.alloc(0),
    deviceMajor: isDevice ? deviceMajor : 0,
    deviceMinor: isDevice ? deviceMinor : 0,
    attributes: paxAttributes(records),
  };
}

function paddingOf(bytes: number): number {
  return (headerBytes - (bytes % headerBytes)) % headerBytes;
}
