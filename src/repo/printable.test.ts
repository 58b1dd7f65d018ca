import { expect, test } from "bun:test";
import fc from "fast-check";
import { printable } from "./printable.ts";

test("harmless names are printed as they are", () => {
  for (const name of ["a b/ü.txt", "-x", "日本", "it's", "back\\slash"])
    expect(printable(Buffer.from(name))).toBe(name);
});

test("controls, escapes, direction marks and broken UTF-8 are spelt out", () => {
  expect(printable(Buffer.from("a\nb\t\u001b[31m"))).toBe('"a\\nb\\t\\x1b[31m"');
  expect(printable(Buffer.from("x\u202ey"))).toBe('"x\\u{202e}y"');
  expect(printable(Buffer.from([0x61, 0xff, 0x22, 0x5c]))).toBe('"a\\xff\\"\\\\"');
  expect(printable(Buffer.from('"quoted"'))).toBe('"\\"quoted\\""');
});

test("nothing printed moves the cursor, and different names never look the same", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 12 }), fc.uint8Array({ maxLength: 12 }), (a, b) => {
      expect(printable(a)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
      if (!Buffer.from(a).equals(Buffer.from(b))) expect(printable(a)).not.toBe(printable(b));
    }),
  );
});
