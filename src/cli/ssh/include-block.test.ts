import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { includeLine, withBlock, withoutBlock } from "./include-block.ts";

const file = "/home/u/.config/banger/ssh_config";
const block = (newline = "\n") =>
  [
    "# >>> banger >>> written by `banger ssh-config --install`, taken out by --uninstall",
    'Include "/home/u/.config/banger/ssh_config"',
    "# <<< banger <<<",
    "",
  ].join(newline);

describe("the lines are put", () => {
  test("before everything else, because an Include after a Host belongs to that", () => {
    expect(withBlock("Host *\n  User me\n", file)).toBe(`${block()}Host *\n  User me\n`);
    expect(withBlock("", file)).toBe(block());
  });

  test("with the file's own ends of line", () => {
    expect(withBlock("Host a\r\n  User me\r\n", file)).toBe(`${block("\r\n")}Host a\r\n  User me\r\n`);
    expect(withBlock("Host a", file)).toBe(`${block()}Host a`);
  });

  test("once, and anew where they have moved, or banger's file has", () => {
    const once = withBlock("Host a\n", file);
    expect(withBlock(once, file)).toBe(once);
    const made = withBlock("", file, true);
    expect([withBlock(made, file), withoutBlock(made)]).toEqual([made, ""]);
    expect(withBlock(`Host b\n${once}`, file)).toBe(`${block()}Host b\nHost a\n`);
    expect(withBlock(withBlock("Host a\n", "/elsewhere/ssh_config"), file)).toBe(once);
  });
});

test("a path is one word of a pattern, whatever is in it", () => {
  expect(includeLine("/home/a b/.config/banger/ssh_config")).toBe(
    'Include "/home/a b/.config/banger/ssh_config"',
  );
  expect(includeLine(`/h/100%/[x]*?/$${"{HOME}"}`)).toBe('Include "/h/100?/[[]x][*][?]/[$]{HOME}"');
  for (const path of ['/a"b', "/a\nProxyCommand evil", "/a\\b"])
    expect(() => includeLine(path)).toThrow("path");
});

describe("what somebody has changed is left as it is, with what is wrong:", () => {
  const [begin = "", include = "", end = ""] = block().split("\n");
  test.each([
    ["an end without a beginning", [end], "line 1 ends lines of banger's that nothing begins"],
    [
      "a beginning without an end",
      ["Host a", begin, include],
      "line 2 begins lines of banger's that nothing ends",
    ],
    ["two of them", [begin, include, end, begin, include, end], "lines 1, 3, 4, 6 all mark banger's lines"],
    ["others between", [begin, include, "Host mine", end], "between lines 1 and 4 there are others"],
    ["another one between", [begin, "Host mine", end], "between lines 1 and 3 there are others"],
    ["nothing between", [begin, end], "between lines 1 and 2 there are others"],
    ["the wrong order", [end, include, begin], "between lines 3 and 1 there are others"],
  ])("%s", (_what, lines, why) => {
    const text = lines.join("\n");
    expect(() => withoutBlock(text)).toThrow(why);
    expect(() => withBlock(text, file)).toThrow(why);
  });
});

test("taking out what was put in gives every byte back, wherever it is by then", () => {
  const piece = fc.oneof(
    fc.constantFrom(
      "Host *\n",
      "Match all\r\n",
      "\r",
      "\n",
      "  User me",
      "Include x\n",
      "\tPort 1\n",
      "# >>> x\n",
    ),
    fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes).toString("latin1")),
  );
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(text, text, fc.boolean(), (own, before, cut) => {
      const installed = withBlock(own, file);
      expect(withoutBlock(installed)).toBe(own);
      expect(withoutBlock(withBlock(installed, file))).toBe(own);
      // Somebody has written before it, or an editor has cut off the last end of line.
      const moved = before === "" || before.endsWith("\n") ? before + installed : installed;
      expect(withoutBlock(moved)).toBe(moved === installed ? own : before + own);
      if (cut && own === "") expect(withoutBlock(installed.slice(0, -1))).toBe("");
    }),
    { numRuns: 2000 },
  );
});
