/** What writers did that layers in use were made with, and what readers are therefore kind to. */
import { describe, expect, test } from "bun:test";
import { TarReader } from "./tar.ts";
import { end, member, pax, readArchive } from "./testing/archive.ts";

const bytes = (text: string) => Buffer.from(text, "latin1");
const read = (...parts: Buffer[]) => readArchive(Buffer.concat(parts));

describe("an archive", () => {
  test("has the prefix that Go's writer before 1.8 put into GNU's headers, where there are no times", () => {
    const gnu = { magic: "ustar  \0", name: "foo" };
    const time = "14524760400\0";
    const paths = (...prefixes: string[]) =>
      read(...prefixes.map((prefix) => member({ ...gnu, prefix })), end).map(({ path }) => path.toString());
    expect(paths("some/where", "12345678901/and/where", time, time + time, "\xff")).toEqual([
      "some/where/foo",
      "12345678901/and/where/foo",
      "foo",
      "foo",
      "foo",
    ]);
  });

  test("may lack its end, where it is known to be whole, but not a part of an entry", () => {
    const whole = Buffer.concat([member({ name: "a" }), member({ name: "b" }, bytes("content")), end]);
    const finishes = (length: number) => {
      const reader = new TarReader({ entry() {}, data() {}, hole() {}, end() {} });
      reader.push(whole.subarray(0, length));
      try {
        reader.finishWhole();
        return true;
      } catch (error) {
        expect(error).toMatchObject({ code: "corrupt" });
        return false;
      }
    };
    const content = 1024 + "content".length;
    const ends = Array.from({ length: whole.length + 1 }, (_, length) => length).filter(finishes);
    const padding = Array.from({ length: 1536 - content + 1 }, (_, n) => content + n);
    expect(ends).toEqual([0, 512, ...padding, 2048, 2560]);
    for (const header of [pax({ path: "x" }), member({ type: "L" }, bytes("x"))]) {
      const reader = new TarReader({ entry() {}, data() {}, hole() {}, end() {} });
      reader.push(header);
      expect(() => reader.finishWhole()).toThrow(expect.objectContaining({ code: "corrupt" }));
    }
  });
});
