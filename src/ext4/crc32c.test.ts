import { expect, test } from "bun:test";
import { crc32c, crc32cOfU32 } from "./crc32c.ts";

/** The usual form, which inverts before and after. */
const usual = (bytes: Uint8Array) => (crc32c(0xffffffff, bytes) ^ 0xffffffff) >>> 0;

test("CRC-32C has the values of RFC 3720, B.4", () => {
  expect(usual(Buffer.alloc(32))).toBe(0x8a9136aa);
  expect(usual(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
  expect(usual(Buffer.from(Array.from({ length: 32 }, (_, n) => n)))).toBe(0x46dd794e);
  expect(usual(Buffer.from("123456789"))).toBe(0xe3069283);
});

test("it can be taken in parts, of any length", () => {
  const bytes = Buffer.from(Array.from({ length: 100 }, (_, n) => (n * 89) & 0xff));
  const whole = crc32c(1, bytes);
  for (let at = 0; at <= bytes.length; at += 1)
    expect(crc32c(crc32c(1, bytes, 0, at), bytes, at)).toBe(whole);
  expect(crc32cOfU32(1, 0x04030201)).toBe(crc32c(1, Buffer.from([1, 2, 3, 4])));
});
