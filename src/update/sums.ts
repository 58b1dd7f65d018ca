/**
 * SHA256SUMS, the one text of a release that is signed: for which version, when, and the checksums of its files. Read only
 * after its signature was found right, and strictly, so that it means the same to everybody who reads it.
 */
import { z } from "zod";
import { BangerError } from "../base/base.ts";
import { Version } from "./versions.ts";

/** In bytes, at most. */
export const maxSums = 16 * 1024;

export interface Sums {
  version: string;
  /** When it was made: RFC 3339, in UTC. */
  date: string;
  /** Name -> sha256, in lower case. */
  files: ReadonlyMap<string, string>;
}

/** No path, no option, nothing hidden. */
const name = "[A-Za-z0-9][A-Za-z0-9._+-]*";
/** As sha256sum writes them, in its two modes, and with --tag. */
const gnu = new RegExp(`^([0-9A-Fa-f]{64}) [ *](${name})$`);
const bsd = new RegExp(`^SHA256 \\((${name})\\) = ([0-9A-Fa-f]{64})$`);
const Timestamp = z.iso.datetime();

/** Throws corrupt. */
export function readSums(bytes: Uint8Array): Sums {
  // Byte by byte: no decoder may find characters in it that another would not.
  const text = Buffer.from(bytes).toString("latin1");
  if (!/^[\n\x20-\x7e]*$/.test(text)) throw wrong("they are no plain text");
  if (!text.endsWith("\n")) throw wrong("their last line has no end");
  const [first = "", second = "", ...lines] = text.slice(0, -1).split("\n");
  const version = Version.safeParse(/^# banger (.*)$/.exec(first)?.[1]);
  if (!version.success) throw wrong("they do not begin with the version that they are of");
  const date = Timestamp.safeParse(/^# date (.*)$/.exec(second)?.[1]);
  if (!date.success) throw wrong("they do not say when they were made");
  const files = new Map<string, string>();
  for (const line of lines) {
    if (line === "" || (line.startsWith("#") && !/^# *(banger|date)\b/.test(line))) continue;
    const { 1: sum = "", 2: file = "" } = gnu.exec(line) ?? turned(bsd.exec(line)) ?? {};
    if (sum === "") throw wrong(`a line of them is none: ${JSON.stringify(line.slice(0, 80))}`);
    if (files.has(file)) throw wrong(`they name ${file} twice`);
    files.set(file, sum.toLowerCase());
  }
  if (files.size === 0) throw wrong("they name no file");
  return { version: version.data, date: date.data, files };
}

function turned(found: RegExpExecArray | null): { 1: string; 2: string } | undefined {
  const [, file = "", sum = ""] = found ?? [];
  return found === null ? undefined : { 1: sum, 2: file };
}

function wrong(why: string): BangerError {
  return new BangerError("corrupt", `the checksums of the release are malformed: ${why}`, {
    hint: "this is not what was released: try again later; if it stays so, tell the project",
  });
}
