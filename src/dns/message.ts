/**
 * Messages of the domain name system (RFC 1035, section 4; EDNS by RFC 6891), as far as a server of one zone needs them.
 *
 * A message is a header of 12 bytes (an id, flags, and how many entries each of four sections has), then the sections:
 * questions, answers, authority, additional. A question is a name, a type and a class; a record is these with a time to live
 * and data. A name is labels, each after a byte with its length, and a byte 0; a length of 0xc0 and more is the first half of
 * a pointer to where the rest of the name is. A question has nothing before it to point to, so here a pointer is malformed.
 *
 * Answers are made around the question's own bytes: what resolvers send as a check, such as letters of random case, comes
 * back as it was, and its name need never be written anew.
 */
const headerBytes = 12;
/** Of labels with their lengths, and of a label alone (RFC 1035, 2.3.4). */
const maxNameBytes = 255;
const maxLabelBytes = 63;
/** What a query may say in addition: its EDNS record, and a signature that is not looked at. */
const maxAdditional = 2;

export const Type = { a: 1, soa: 6, opt: 41, any: 255 } as const;
export const Class = { internet: 1, any: 255 } as const;
export const Code = {
  ok: 0,
  malformed: 1,
  noSuchName: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;
export type Code = (typeof Code)[keyof typeof Code];

export interface Query {
  kind: "query";
  header: Buffer;
  /** Lower case, the outermost last. Bytes that are no ASCII are as in latin1. */
  labels: readonly string[];
  type: number;
  class: number;
  /** The question as it came. */
  question: Buffer;
  /** Of EDNS; undefined without it. */
  edns: { version: number } | undefined;
}

/** `unfit` is answered with no more than a code. */
type Parsed = Query | { kind: "unfit"; header: Buffer; code: Code };

/** What somebody sent; undefined for what must not be answered: no message, or itself an answer. */
export function parseQuery(message: Buffer): Parsed | undefined {
  if (message.length < headerBytes) return undefined;
  const header = message.subarray(0, headerBytes);
  const flags = header.readUInt16BE(2);
  if ((flags & 0x8000) !== 0) return undefined;
  // Standard queries only; there is nothing here to notify of, or to update.
  if ((flags & 0x7800) !== 0) return { kind: "unfit", header, code: Code.notImplemented };
  return readSections(message, header) ?? { kind: "unfit", header, code: Code.malformed };
}

function readSections(message: Buffer, header: Buffer): Query | undefined {
  const [questions, answers, authority, additional] = [4, 6, 8, 10].map((at) => header.readUInt16BE(at));
  if (questions !== 1 || answers !== 0 || authority !== 0) return undefined;
  if (additional === undefined || additional > maxAdditional) return undefined;
  const name = readName(message, headerBytes);
  if (name === undefined || name.end + 4 > message.length) return undefined;
  let at = name.end + 4;
  const query = {
    ...{ kind: "query" as const, header, labels: name.labels, question: message.subarray(headerBytes, at) },
    ...{ type: message.readUInt16BE(name.end), class: message.readUInt16BE(name.end + 2) },
  };
  let edns: Query["edns"];
  for (let left = additional; left > 0; left -= 1) {
    const record = readRecord(message, at);
    if (record === undefined) return undefined;
    at = record.end;
    if (record.type !== Type.opt) continue;
    if (edns !== undefined || !record.ofRoot) return undefined;
    edns = { version: record.version };
  }
  return at === message.length ? { ...query, edns } : undefined;
}

function readName(message: Buffer, from: number): { labels: string[]; end: number } | undefined {
  const labels: string[] = [];
  let at = from;
  for (;;) {
    const length = message[at];
    if (length === undefined || length > maxLabelBytes) return undefined;
    at += 1;
    if (at + length - from > maxNameBytes || at + length > message.length) return undefined;
    if (length === 0) return { labels, end: at };
    labels.push(lowerCase(message.toString("latin1", at, at + length)));
    at += length;
  }
}

/** Of ASCII alone (RFC 4343): other bytes are what they are. */
function lowerCase(label: string): string {
  return label.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** After its name: type, class, time to live, length, data. Of an OPT the second byte of the time is EDNS's version. */
function readRecord(message: Buffer, from: number) {
  const name = readName(message, from);
  if (name === undefined || name.end + 10 > message.length) return undefined;
  const end = name.end + 10 + message.readUInt16BE(name.end + 8);
  if (end > message.length) return undefined;
  const version = message.readUInt8(name.end + 5);
  return { type: message.readUInt16BE(name.end), version, ofRoot: name.labels.length === 0, end };
}

export interface Reply {
  code: Code;
  answers?: readonly Buffer[];
  authority?: readonly Buffer[];
}

/** Nothing more than a code, for what could not be read. */
export function bareReply(header: Buffer, code: Code): Buffer {
  const reply = Buffer.alloc(headerBytes);
  header.copy(reply, 0, 0, 2);
  // What kind of query it was, and that recursion was desired, come back as they were.
  reply.writeUInt16BE(0x8000 | (header.readUInt16BE(2) & 0x7900) | (code & 15), 2);
  return reply;
}

export function reply(query: Query, { code, answers = [], authority = [] }: Reply): Buffer {
  const header = bareReply(query.header, code);
  // Of its own zone a server speaks with authority; of others it has nothing to say.
  if (code === Code.ok || code === Code.noSuchName) header.writeUInt8(header.readUInt8(2) | 0x04, 2);
  const additional = query.edns === undefined ? [] : [optRecord(code)];
  for (const [index, section] of [[0], answers, authority, additional].entries())
    header.writeUInt16BE(section.length, 4 + 2 * index);
  return Buffer.concat([header, query.question, ...answers, ...authority, ...additional]);
}

/** How much this server takes by UDP, and the upper half of the code (RFC 6891, 6.1.3). */
function optRecord(code: Code): Buffer {
  const record = Buffer.from([0, 0, Type.opt, 0, 0, code >> 4, 0, 0, 0, 0, 0]);
  record.writeUInt16BE(maxUdpBytes, 3);
  return record;
}

/** What passes every network unfragmented; answers here are far smaller. */
export const maxUdpBytes = 1232;

/** A record of the name that begins `labelsBefore` bytes into the question. */
export function record(labelsBefore: number, type: number, ttlSeconds: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(12);
  pointer(labelsBefore).copy(fixed, 0);
  fixed.writeUInt16BE(type, 2);
  fixed.writeUInt16BE(Class.internet, 4);
  fixed.writeUInt32BE(ttlSeconds, 6);
  fixed.writeUInt16BE(data.length, 10);
  return Buffer.concat([fixed, data]);
}

/** To a name in the question. */
export function pointer(labelsBefore: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(0xc000 | (headerBytes + labelsBefore));
  return bytes;
}
