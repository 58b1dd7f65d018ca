/** Lines for a person on a terminal: broken between words, and never where they are to be pasted. */
import { describe, expect, test } from "bun:test";
import { wrapNotice } from "./notice.ts";

describe("what is said to a person", () => {
  const on = (columns: number, line: string) =>
    wrapNotice(line, { stderr: true, size: () => ({ columns, rows: 24 }) }).split("\n");
  test("is broken between words, below where it began", () => {
    expect(on(30, "banger: there is no VM called calm-otter here")).toEqual([
      "banger: there is no VM called",
      "        calm-otter here",
    ]);
    expect(on(30, "  hint: what is there says something of its own")).toEqual([
      "  hint: what is there says",
      "        something of its own",
    ]);
  });
  test("keeps a command whole, which is to be pasted", () => {
    expect(on(40, "VM x stays: banger vm ssh calm-otter, or banger vm delete calm-otter")).toEqual([
      "VM x stays: banger vm ssh calm-otter, or",
      "banger vm delete calm-otter",
    ]);
    expect(on(24, "try again: sudo banger system install --owner me")).toEqual([
      "try again:",
      "sudo banger system install --owner me",
    ]);
  });
  test("keeps a path whole with which a line ends, also one with spaces", () => {
    expect(on(40, "the changes are kept as a patch: /a/my work/.git/banger/x.patch")).toEqual([
      "the changes are kept as a patch:",
      "/a/my work/.git/banger/x.patch",
    ]);
    expect(on(30, "it cannot be opened: /dev/kvm is not there for you")).toEqual([
      "it cannot be opened: /dev/kvm",
      "is not there for you",
    ]);
  });
  test("is left alone where it fits, in a table, and in a pipe", () => {
    expect(on(80, "short")).toEqual(["short"]);
    expect(on(24, "one thing here  (and another)")).toEqual(["one thing here  (and", "another)"]);
    expect(on(20, "NAME        STATE   IMAGE")).toEqual(["NAME        STATE   IMAGE"]);
    const long = "word ".repeat(60);
    expect(wrapNotice(long, { stderr: false, size: () => ({ columns: 20, rows: 24 }) })).toBe(long);
  });
});
