import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BangerError } from "../base/base.ts";
import { parseJsonc } from "./jsonc.ts";

const read = (text: string) => JSON.parse(JSON.stringify(parseJsonc(text, "f.json")));

function problem(text: string): string {
  try {
    parseJsonc(text, "f.json");
  } catch (error) {
    if (error instanceof BangerError) return error.message;
    throw error;
  }
  return "accepted";
}

describe("JSON with comments", () => {
  test("has comments, trailing commas and a byte order mark", () => {
    expect(
      read(
        '\ufeff// head\n{ "a": 1, /* in\nbetween */ "b": [true, null, "x // y /* z */",], // tail\n "c": {}, }\n// end',
      ),
    ).toEqual({ a: 1, b: [true, null, "x // y /* z */"], c: {} });
  });

  test("is JSON's in all else", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(read(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  test.each([
    ["", "f.json:1:1: ends too early"],
    ["{", "f.json:1:2: not a key in double quotes"],
    ["{'a': 1}", "f.json:1:2: not a key in double quotes"],
    ['{"a" 1}', "f.json:1:6: no : behind the key"],
    ['{"a": 1\n "b": 2}', "f.json:2:2: neither , nor }"],
    ["[1,,2]", "f.json:1:4: not a value"],
    ["[,]", "f.json:1:2: not a value"],
    ["[01]", "f.json:1:3: neither , nor ]"],
    ['"a\nb"', "f.json:1:1: a string without an end, or with what may not be in one"],
    ['"\\x"', "f.json:1:1: a string without an end, or with what may not be in one"],
    ["1 2", "f.json:1:3: something follows the end"],
    ["/* a", "f.json:1:1: a comment without an end"],
    ["undefined", "f.json:1:1: not a value"],
    ['{"a": 1, "a": 2}', 'f.json:1:13: "a" is there twice'],
  ])("%j is refused with its place", (text, expected) => {
    expect(problem(text)).toBe(expected);
  });

  test("bounds what a hostile file costs", () => {
    expect(problem("[".repeat(60_000))).toContain("levels deep");
    expect(problem(`"${"x".repeat(60_000)}`)).toContain("a string without an end");
    expect(read(`"${"x".repeat(60_000)}"`)).toHaveLength(60_000);
    const keys = parseJsonc('{"__proto__": {"a": 1}}', "f.json");
    expect(Object.entries(keys ?? {})[0]?.[0]).toBe("__proto__");
    expect(Reflect.get({}, "a")).toBeUndefined();
  });
});
