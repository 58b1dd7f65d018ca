import { expect, test } from "bun:test";
import fc from "fast-check";
import { tarHeader, tarPadding } from "./write-header.ts";

const base = { kind: "file" as const, mode: 0o644, size: 5, mtimeS: 1_700_000_000 };

/** A reader written from the standard's text: name, link, size, type of the member behind optional pax records. */
function read(header: Buffer): { path: Buffer; link: Buffer; size: number; type: string } {
  let at = 0;
  const pax = new Map<string, Buffer>();
  for (;;) {
    const block = header.subarray(at, at + 512);
    const field = (from: number, length: number) => {
      const bytes = block.subarray(from, from + length);
      const end = bytes.indexOf(0);
      return bytes.subarray(0, end < 0 ? length : end);
    };
    const sum = block.reduce((total, byte, n) => total + (n >= 148 && n < 156 ? 32 : byte), 0);
    expect(Number.parseInt(field(148, 8).toString(), 8)).toBe(sum);
    expect(block.toString("latin1", 257, 265)).toBe("ustar\u000000");
    const size = Number.parseInt(field(124, 12).toString(), 8);
    const type = field(156, 1).toString();
    at += 512;
    if (type === "x") {
      let record = at;
      while (record < at + size) {
        const space = header.indexOf(0x20, record);
        const length = Number(header.toString("latin1", record, space));
        const equals = header.indexOf(0x3d, space);
        expect(header[record + length - 1]).toBe(10);
        pax.set(
          header.toString("latin1", space + 1, equals),
          header.subarray(equals + 1, record + length - 1),
        );
        record += length;
      }
      expect(record).toBe(at + size);
      at += size + tarPadding(size);
      continue;
    }
    expect(at).toBe(header.length);
    const prefix = field(345, 155);
    const name = prefix.length > 0 ? Buffer.concat([prefix, Buffer.from("/"), field(0, 100)]) : field(0, 100);
    return {
      path: pax.get("path") ?? name,
      link: pax.get("linkpath") ?? field(157, 100),
      size: Number(pax.get("size")?.toString() ?? size),
      type,
    };
  }
}

const nameByte = fc.nat(255).filter((byte) => byte !== 0);
const name = fc.array(nameByte, { minLength: 1, maxLength: 400 }).map((bytes) => Buffer.from(bytes));

test("every name and link target of bytes comes back exactly, however long", () => {
  fc.assert(
    fc.property(name, name, (path, linkTarget) => {
      const link = read(tarHeader({ path, kind: "symlink", mode: 0o777, size: 0, mtimeS: 0, linkTarget }));
      expect(link.path.equals(path)).toBe(true);
      expect(link.link.equals(linkTarget)).toBe(true);
      expect(link.type).toBe("2");
    }),
  );
});

test("a short name costs one block, a long path with slashes too, only the rest costs pax records", () => {
  expect(tarHeader({ ...base, path: Buffer.from("a".repeat(100)) })).toHaveLength(512);
  const split = tarHeader({ ...base, path: Buffer.from(`${"d".repeat(155)}/${"f".repeat(100)}`) });
  expect(split).toHaveLength(512);
  expect(read(split).path.length).toBe(256);
  expect(tarHeader({ ...base, path: Buffer.from("a".repeat(101)) })).toHaveLength(1536);
});

test("sizes beyond 8 GiB are carried, and directories end with a slash", () => {
  expect(read(tarHeader({ ...base, path: Buffer.from("a"), size: 2 ** 40 + 3 })).size).toBe(2 ** 40 + 3);
  const dir = read(tarHeader({ ...base, kind: "directory", size: 0, path: Buffer.from("d") }));
  expect([dir.path.toString(), dir.type]).toEqual(["d/", "5"]);
});

test("pax records whose length gains a digit by being written are right", () => {
  for (let length = 85; length < 110; length += 1) {
    const path = Buffer.from("x".repeat(length + 900));
    expect(read(tarHeader({ ...base, path })).path.length).toBe(path.length);
    const linkTarget = Buffer.from("y".repeat(length));
    const link = tarHeader({ ...base, kind: "symlink", size: 0, path: Buffer.from("l"), linkTarget });
    expect(read(link).link.length).toBe(length);
  }
});
