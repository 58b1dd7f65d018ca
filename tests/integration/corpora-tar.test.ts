/**
 * Go's own archives (archive/tar/testdata, of which github.com/vbatts/tar-split carries all 46), read by our reader and by
 * Go's: what both take is the same to the last field, and what only Go takes is in a table that says why.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { BangerError } from "../../src/base/base.ts";
import { type TarEntry, TarReader } from "../../src/tar/tar.ts";
import { goModule, goRun, python } from "./corpora-fixture.ts";

const tarSplit = {
  ...{ path: "github.com/vbatts/tar-split", version: "v0.12.3" },
  sum: "h1:Cd46rkGXI3Td4yrVNwU8ripbxFaQbmesqhjBUUYAJSw=",
};

/** By both. */
const accepted = [
  ...["extranils.tar", "fatlonglink.tar", "file-and-dir.tar", "gnu-nil-sparse-data.tar"],
  ...["gnu-nil-sparse-hole.tar", "1c51fc286aa95d9413226599576bafa38490b1e292375c90de095855b64caea6"],
  ...["gnu-not-utf8.tar", "gnu-sparse-big.tar", "gnu-utf8.tar", "gnu.tar", "hardlink.tar", "hdr-only.tar"],
  ...["invalid-go17.tar", "iso-8859.tar", "longlink.tar", "nil-uid.tar", "notenoughnils.tar"],
  ...["pax-nil-sparse-data.tar", "pax-nil-sparse-hole.tar", "pax-pos-size-file.tar", "pax-records.tar"],
  ...["pax-sparse-big.tar", "pax.tar", "sparse-formats.tar", "star.tar", "t.tar", "trailing-slash.tar"],
  ...["ustar-file-devs.tar", "ustar-file-reg.tar", "ustar.tar", "writer.tar", "xattrs.tar"],
];

/** By both, and what ours says. */
const refused: Record<string, RegExp> = {
  "gnu-sparse-many-zeros.tar": /too many parts/,
  "issue10968.tar": /neither ustar nor GNU/,
  "issue11169.tar": /checksum is no number/,
  "issue12435.tar": /checksum is wrong/,
  "neg-size.tar": /neither ustar nor GNU/,
  "pax-bad-hdr-file.tar": /pax record is malformed/,
  "pax-bad-hdr-large.tar": /header of 1048577 bytes/,
  "pax-bad-mtime-file.tar": /mtime is no time/,
  "pax-nul-path.tar": /has zeros in it/,
  "pax-nul-xattrs.tar": /malformed/,
  "small.txt": /cut off/,
  "small2.txt": /cut off/,
  "writer-big-long.tar": /cut off/,
  "writer-big.tar": /cut off/,
};

/** By ours alone. */
const stricter: Record<string, { says: RegExp; because: string }> = {
  "gnu-incremental.tar": {
    says: /an entry of type "D"/,
    because: "a directory of an incremental dump brings a list of names: no layer is a dump",
  },
  "gnu-long-nul.tar": {
    says: /long name is none/,
    because: "a name with a zero in it is cut there by some readers, and refused by others",
  },
  "gnu-multi-hdrs.tar": {
    says: /long name is none|two long names/,
    because: "of two long names for one entry, readers take the first or the last",
  },
  "pax-global-records.tar": {
    says: /one path for all entries/,
    because: "what one path for several entries means, readers disagree about",
  },
  "pax-multi-hdrs.tar": {
    says: /two pax headers/,
    because: "of two pax headers for one entry, readers take the last, or both",
  },
  "pax-path-hdr.tar": {
    says: /cut off/,
    because: "a header for an entry that does not come is half an entry",
  },
  "v7.tar": {
    says: /neither ustar nor GNU/,
    because: "without a magic number anything with a sum is an archive; no builder writes them since 1988",
  },
};

let dir: string;
let archives: string[];
let theirs: Map<string, string[]>;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-tars-"));
  const module = goModule(tarSplit);
  for (const folder of ["archive/tar/testdata", "tar/asm/testdata"])
    for (const name of readdirSync(join(module, folder))) unpackTo(join(module, folder, name), name);
  archives = readdirSync(dir).sort();
  theirs = new Map();
  let current: string[] = [];
  for (const line of goRun("corpora-tar-go.go", ...archives.map((name) => join(dir, name))).split("\n")) {
    const path = /^archive (.*)$/.exec(line)?.[1];
    if (path !== undefined) {
      current = [];
      theirs.set(path.slice(dir.length + 1), current);
    } else if (line !== "") current.push(line);
  }
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function unpackTo(path: string, name: string): void {
  const plain = join(dir, name.replace(/\.(bz2|gz)$/, ""));
  if (name.endsWith(".bz2")) {
    const code = "import bz2, sys; sys.stdout.buffer.write(bz2.open(sys.argv[1]).read())";
    writeFileSync(plain, python(code, path));
    return;
  }
  const bytes = readFileSync(path);
  writeFileSync(plain, bytes.readUInt16BE(0) === 0x1f8b ? gunzipSync(bytes) : bytes);
}

/** As the Go program lists them. */
function list(archive: Buffer, step: number): string[] {
  const lines: string[] = [];
  let sum = 0;
  let open: TarEntry | undefined;
  const reader = new TarReader({
    entry: (entry) => {
      open = entry;
      sum = 0;
    },
    data: (chunk) => {
      sum = Bun.hash.crc32(chunk, sum);
    },
    hole: (bytes) => {
      if ((open?.sizeBytes ?? 0) <= mostRead) sum = Bun.hash.crc32(Buffer.alloc(bytes), sum);
    },
    end: () => {
      if (open !== undefined) lines.push(described(open, sum));
    },
  });
  for (let at = 0; at < archive.length; at += step) reader.push(archive.subarray(at, at + step));
  reader.finishWhole();
  return lines;
}

const mostRead = 64 * 1024 ** 2;
const flags = { file: "0", hardlink: "1", symlink: "2", char: "3", block: "4", directory: "5", fifo: "6" };

function described(entry: TarEntry, sum: number): string {
  const { type, path, linkTarget, mode, uid, gid, sizeBytes, mtimeS, mtimeNs, attributes } = entry;
  const content = sizeBytes <= mostRead ? sum.toString(16).padStart(8, "0") : "-";
  const named = attributes.map(({ name, value }) => `${name}=${value.toString("hex")}`).sort();
  return [
    ...[flags[type], path.toString("hex"), linkTarget.toString("hex"), mode.toString(8), `${uid}:${gid}`],
    ...[sizeBytes, `${mtimeS}.${String(mtimeNs).padStart(9, "0")}`, content, named.join(",")],
  ].join(" ");
}

/** A sparse file is a file, and only files have a size that means something. */
function normal(line: string): string {
  const fields = line.replace(/^[S7]/, "0").split(" ");
  if (fields[0] !== "0") fields.splice(5, 1, "0");
  return fields.join(" ");
}

function outcome(name: string, step: number): string[] | BangerError {
  try {
    return list(readFileSync(join(dir, name)), step);
  } catch (error) {
    if (error instanceof BangerError) return error;
    throw error;
  }
}

test("every archive's outcome is written down here", () => {
  const known = [...accepted, ...Object.keys(refused), ...Object.keys(stricter)].sort();
  expect(archives).toEqual(known);
});

test("what is accepted is the same to Go, however it is cut into pieces", () => {
  for (const name of accepted) {
    const expected = theirs.get(name) ?? [];
    expect(expected.at(-1), name).toBe("end");
    for (const step of [1 << 20, 512, 100])
      expect(outcome(name, step), name).toEqual(expected.slice(0, -1).map(normal));
  }
});

test("what is refused is refused by Go too", () => {
  for (const [name, says] of Object.entries(refused)) {
    expect(outcome(name, 1 << 20), name).toMatchObject({
      code: "corrupt",
      message: expect.stringMatching(says),
    });
    // Its readers before 1.24 took maps of any length.
    if (name !== "gnu-sparse-many-zeros.tar") expect(theirs.get(name)?.at(-1), name).toStartWith("error ");
  }
});

test("what only Go takes is refused for a reason", () => {
  for (const [name, { says }] of Object.entries(stricter)) {
    expect(outcome(name, 1 << 20), name).toMatchObject({
      code: "corrupt",
      message: expect.stringMatching(says),
    });
    expect(theirs.get(name)?.at(-1), name).toBe("end");
  }
});
