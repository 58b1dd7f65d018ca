import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BangerError } from "../base/base.ts";
import { block, end, type Fields, member, padded, pax, readArchive } from "./testing/archive.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");
const read = (...parts: Buffer[]) => readArchive(Buffer.concat(parts));
const refuses = (why: string, ...parts: Buffer[]) =>
  expect(() => read(...parts)).toThrow(
    expect.objectContaining({ code: "corrupt", message: expect.stringContaining(why) }),
  );

describe("an archive", () => {
  test("gives entries with their fields and contents, however it is cut into pieces", () => {
    const archive = Buffer.concat([
      member({ name: "dir/", type: "5", mode: "0001755\0" }),
      member({ name: "file", prefix: "dir", mtime: "14524760400\0" }, Buffer.alloc(1000, 7)),
      member({ name: "link", type: "2", link: "file" }),
      member({ name: "again", type: "1", link: "dir/file" }),
      member({
        name: "null",
        type: "3",
        patch: [
          [329, bytes("0000001\0")],
          [337, bytes("0000003\0")],
        ],
      }),
      member({ name: "fifo", type: "6" }),
      member({ name: "old directory/", type: "\0" }),
      end,
    ]);
    const whole = readArchive(archive);
    expect(
      whole.map(({ type, path, mode, sizeBytes, content, linkTarget }) => [
        type,
        path.toString(),
        mode,
        sizeBytes,
        content.length,
        linkTarget.toString(),
      ]),
    ).toEqual([
      ["directory", "dir/", 0o1755, 0, 0, ""],
      ["file", "dir/file", 0o644, 1000, 1000, ""],
      ["symlink", "link", 0o644, 0, 0, "file"],
      ["hardlink", "again", 0o644, 0, 0, "dir/file"],
      ["char", "null", 0o644, 0, 0, ""],
      ["fifo", "fifo", 0o644, 0, 0, ""],
      ["directory", "old directory/", 0o644, 0, 0, ""],
    ]);
    expect(whole[1]?.mtimeS).toBe(0o14524760400);
    expect([whole[4]?.deviceMajor, whole[4]?.deviceMinor]).toEqual([1, 3]);
    for (const step of [1, 7, 511, 512, 513, 1536, 4096]) expect(readArchive(archive, step)).toEqual(whole);
  });

  test("goes unread behind its end, which is two empty blocks", () => {
    expect(read(member({}), end, bytes("what comes here is nobody's")).length).toBe(1);
    refuses("goes on", member({}), Buffer.alloc(512), member({}), end);
    refuses("cut off", member({}), Buffer.alloc(512));
    refuses("cut off", member({}));
    refuses("cut off", member({}, Buffer.alloc(1000)).subarray(0, 1200));
    refuses("cut off", Buffer.alloc(0));
  });

  test("has names, times, owners and sizes of pax records instead of its own", () => {
    const name = Buffer.concat([bytes("n\xff/".repeat(300)), bytes("\x80")]);
    const [entry, next] = read(
      pax({ path: name, mtime: "-1.25", uid: "4000000000", gid: "7", size: "3", comment: "a=b\n" }),
      block({ size: 3, name: "short" }),
      padded(bytes("abc")),
      member({ name: "next" }),
      end,
    );
    expect(entry).toMatchObject({
      mtimeS: -2,
      mtimeNs: 750_000_000,
      uid: 4_000_000_000,
      gid: 7,
      sizeBytes: 3,
    });
    expect(entry?.path).toEqual(name);
    expect(entry?.content).toEqual(bytes("abc"));
    expect(next?.path.toString()).toBe("next");
  });

  test("has pax records for all entries, which one of its own takes back", () => {
    const [one, two, three] = read(
      pax({ mtime: "5", uid: "9" }, "g"),
      member({}),
      pax({ uid: "10" }),
      member({}),
      pax({ uid: "" }),
      member({}),
      end,
    );
    expect([one, two, three].map((entry) => [entry?.mtimeS, entry?.uid])).toEqual([
      [5, 9],
      [5, 10],
      [5, 0],
    ]);
    refuses("one path for all", pax({ path: "x" }, "g"), member({}), end);
  });

  test("has extended attributes as bytes", () => {
    const value = Buffer.from([1, 0, 0xff, 0x0a, 0x3d]);
    const [entry] = read(pax({ "SCHILY.xattr.security.capability": value }), member({}), end);
    expect(entry?.attributes).toEqual([{ name: "security.capability", value }]);
  });

  test("has long names and numbers as GNU tar writes them", () => {
    const gnu = { magic: "ustar  \0" };
    const long = "a/".repeat(200);
    const number = Buffer.alloc(12);
    number[0] = 0xff;
    number.fill(0xff, 1, 11);
    number[11] = 0xfe;
    const [entry, link] = read(
      member({ ...gnu, type: "L", name: "././@LongLink" }, bytes(`${long}\0`)),
      member({ ...gnu, mtime: number }),
      member({ ...gnu, type: "K", name: "././@LongLink" }, bytes(long)),
      member({ ...gnu, type: "2", link: "short" }),
      end,
    );
    expect(entry?.path.toString()).toBe(long);
    expect(entry?.mtimeS).toBe(-2);
    expect(link?.linkTarget.toString()).toBe(long);
  });

  test("has sparse files in all the forms that GNU tar has", () => {
    const data = Buffer.concat([Buffer.alloc(600, 1), Buffer.alloc(400, 2)]);
    const expected = Buffer.concat([
      Buffer.alloc(1000),
      Buffer.alloc(600, 1),
      Buffer.alloc(400),
      Buffer.alloc(400, 2),
      Buffer.alloc(100),
    ]);
    const o = (value: number) => bytes(`${value.toString(8).padStart(11, "0")}\0`);
    const old = member(
      {
        type: "S",
        magic: "ustar  \0",
        patch: [
          [386, Buffer.concat([o(1000), o(600), o(2000), o(400)])],
          [483, o(2500)],
        ],
      },
      data,
    );
    const size = { "GNU.sparse.size": "2500", "GNU.sparse.numblocks": "2" };
    const map01 = Buffer.concat([pax({ ...size, "GNU.sparse.map": "1000,600,2000,400" }), member({}, data)]);
    const records = ["1000", "600", "2000", "400"].map((value, n) => {
      const text = ` GNU.sparse.${n % 2 === 0 ? "offset" : "numbytes"}=${value}\n`;
      return `${text.length + 2}${text}`;
    });
    const map00 = Buffer.concat([
      member({ type: "x" }, bytes(`24 GNU.sparse.size=2500\n${records.join("")}`)),
      member({}, data),
    ]);
    const map10 = Buffer.concat([
      pax({
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "name",
        "GNU.sparse.realsize": "2500",
      }),
      member(
        { name: "GNUSparseFile.1/name" },
        Buffer.concat([padded(bytes("2\n1000\n600\n2000\n400\n")), data]),
      ),
    ]);
    for (const form of [old, map01, map00, map10]) {
      const archive = Buffer.concat([form, member({ name: "after" }), end]);
      for (const step of [archive.length, 100, 1]) {
        const [entry, after] = readArchive(archive, step);
        expect(entry).toMatchObject({ path: bytes("name"), sizeBytes: 2500, holes: 3 });
        expect(entry?.content.equals(expected)).toBe(true);
        expect(after?.path.toString()).toBe("after");
      }
    }
  });
});

describe("an archive is refused", () => {
  const long = (length: number) => "x".repeat(length);
  const cases: [why: string, says: string, parts: Buffer[]][] = [
    ["with a wrong checksum", "checksum", [block({ checksum: "0000000\0" })]],
    ["with another magic number", "neither", [block({ magic: "USTAR\u000000" })]],
    ["with a size that is no number", "size", [block({ size: bytes("0000000008x\0") })]],
    ["with a negative size", "bytes", [block({ size: Buffer.alloc(12, 0xff) })]],
    [
      "with a size beyond all bounds",
      "bounds",
      [block({ size: Buffer.concat([Buffer.from([0x80]), Buffer.alloc(11, 0x7f)]) })],
    ],
    [
      "with a size that no disk has",
      "size=",
      [pax({ size: "100000000000000" }).subarray(0, 1024), block({})],
    ],
    ["without a name", "without a name", [block({ name: "" })]],
    ["with a link to nothing", "nothing", [block({ type: "2" })]],
    ["of an unknown type", "type", [block({ type: "V" })]],
    ["with two pax headers before an entry", "two pax", [pax({ path: "a" }), pax({ path: "b" }), member({})]],
    ["with a name longer than any", "path", [pax({ path: long(4097) }), member({})]],
    ["with a zero in a name", "path", [pax({ path: "a\0b" }), member({})]],
    ["with a long name longer than any", "bytes", [member({ type: "L" }, bytes(long(4098)))]],
    ["with a pax header of more than a MiB", "bytes", [block({ type: "x", size: 1024 * 1024 + 1 })]],
    [
      "with a record that reaches over its header",
      "malformed",
      [member({ type: "x" }, bytes("99 path=a\n"))],
    ],
    ["with a record that does not end", "malformed", [member({ type: "x" }, bytes("9 path=ab"))]],
    ["with a record without a key", "malformed", [member({ type: "x" }, bytes("5 =a\n"))]],
    ["with a zero in a record's key", "malformed", [pax({ "SCHILY.xattr.user.a\0b": "x" }), member({})]],
    ["with a record without a length", "number", [member({ type: "x" }, bytes("path=a\n"))]],
    ["with a time that is none", "time", [pax({ mtime: "1e9" }), member({})]],
    ["with a header for nothing", "before an entry", [pax({ path: "a" }), end]],
    [
      "with sparse parts that overlap",
      "overlap",
      [pax({ "GNU.sparse.size": "9", "GNU.sparse.map": "0,4,3,4" }), member({}, Buffer.alloc(8))],
    ],
    [
      "with sparse parts over the end",
      "end",
      [pax({ "GNU.sparse.size": "5", "GNU.sparse.map": "0,8" }), member({}, Buffer.alloc(8))],
    ],
    [
      "with sparse parts that are not the data",
      "data",
      [pax({ "GNU.sparse.size": "99", "GNU.sparse.map": "0,9" }), member({}, Buffer.alloc(8))],
    ],
  ];
  test.each(cases)("%s", (_why, says, parts) => refuses(says, ...parts, end));

  test("or read, but never anything else, whatever its bytes are", () => {
    const field = fc.oneof(fc.constant(undefined), fc.string({ maxLength: 12, unit: "binary-ascii" }));
    const header = fc.record({
      name: field,
      type: fc.constantFrom("0", "5", "x", "g", "L", "K", "S", "1", "2"),
      mtime: field,
      link: field,
      size: fc.nat(2000),
    });
    const part = fc.oneof(
      header.map((fields) =>
        block(
          Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Fields,
        ),
      ),
      fc.uint8Array({ maxLength: 600 }).map((each) => Buffer.from(each)),
      fc.constant(pax({ path: "x", "GNU.sparse.major": "1", "GNU.sparse.realsize": "99" })),
      fc.constant(member({}, Buffer.alloc(700, 1))),
      fc.constant(end),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 8 }), fc.integer({ min: 1, max: 900 }), (parts, step) => {
        const outcome = (pieces: number) => {
          try {
            return readArchive(Buffer.concat(parts), pieces);
          } catch (error) {
            if (!(error instanceof BangerError) || error.code !== "corrupt") throw error;
            return error.message;
          }
        };
        expect(outcome(step)).toEqual(outcome(1 << 20));
      }),
      { numRuns: 500 },
    );
  });
});
