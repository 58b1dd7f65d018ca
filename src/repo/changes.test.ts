import { expect, test } from "bun:test";
import { parseRawDiff } from "./changes.ts";
import { parseGuestState } from "./replaceable.ts";

const a = "a".repeat(40);
const b = "b".repeat(40);
const zero = "0".repeat(40);
const raw = (text: string) => parseRawDiff(Buffer.from(text, "latin1"));

test("raw differences: edited, added, deleted, of another kind, with names of any bytes", () => {
  const found = raw(
    `:100644 100755 ${a} ${b} M\0x\0:000000 120000 ${zero} ${b} A\0dir/\xff\n\0:100644 000000 ${a} ${zero} D\0gone\0`,
  );
  expect(found.map(({ before, after }) => [before?.mode, after?.mode])).toEqual([
    [0o100644, 0o100755],
    [undefined, 0o120000],
    [0o100644, undefined],
  ]);
  expect(found[1]?.path).toEqual(Buffer.from("dir/\xff\n", "latin1"));
});

test("anything else is refused, and named harmlessly", () => {
  const head = `:100644 100644 ${a} ${b} M\0`;
  for (const text of ["x", `${head}x`, head, `:1 2 ${a} ${b} M\0x\0`, `${head.replace("M", "R100")}x\0`])
    expect(() => raw(text)).toThrow("the guest sent");
  for (const name of ["../x", "/x", "a//b", ".git/x", "a/.GIT/x", ".", ""])
    expect(() => raw(`${head}${name}\0`)).toThrow("no work tree has");
  expect(() => raw(`${head}../\x1b[2J\0`)).toThrow("../\\x1b[2J");
});

test("what a guest has: references, files that are on its disk, differences", () => {
  const files = `H 100644 ${a} 0\tone\0S 100644 ${a} 0\tsparse\0H 160000 ${a} 0\tinner\0`;
  const state = parseGuestState(Buffer.from(`${a} refs/heads/main\0${b} HEAD\0\0${files}\0`));
  expect(state.refs.map(({ name }) => name.toString())).toEqual(["refs/heads/main", "HEAD"]);
  expect([...state.files]).toEqual([["one", { mode: 0o100644, oid: a }]]);
  expect(state.changes).toEqual([]);
  for (const text of [
    "",
    "\0",
    `${a}\0\0\0`,
    `x HEAD\0\0\0`,
    `\0H 1 ${a} 0\tx\0\0`,
    `\0H 100644 ${a} 0\t../x\0\0`,
  ])
    expect(() => parseGuestState(Buffer.from(text))).toThrow("the guest sent");
});
