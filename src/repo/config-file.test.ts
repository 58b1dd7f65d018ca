import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  booleanValue,
  type ConfigEntry,
  formatConfigFile,
  lastValue,
  parseConfigFile,
} from "./config-file.ts";

const parse = (text: string) => parseConfigFile(Buffer.from(text, "latin1"), "config");
const flat = (text: string) =>
  parse(text).map((e) => `${e.section}|${e.subsection ?? ""}|${e.key}=${e.value}`);

test("sections, subsections, quotes, escapes and comments are read as git reads them", () => {
  expect(
    flat(
      "\u00ef\u00bb\u00bf" +
        '[Core] Bare = false ; no\n[remote "o\\"r"]\n\turl = "a b" c # d\n  x\n[a.B]\ny = p\\\n  q\\tz\n[e]\nf=\n',
    ),
  ).toEqual(["core||bare=false", 'remote|o"r|url=a b c', 'remote|o"r|x=true', "a|b|y=p  q\tz", "e||f="]);
});

test("Windows line ends are line ends", () => {
  expect(flat("[a]\r\nb = c\r\nd\r\n")).toEqual(["a||b=c", "a||d=true"]);
});

test("text that git would refuse is refused with its line", () => {
  for (const bad of [
    "x = 1",
    "[a\nb",
    "[a]\n1b = c",
    '[a]\nb = "c',
    "[a]\nb = \\q",
    "[a]\nb ! c",
    '[a "b]\n',
  ]) {
    expect(() => parse(bad)).toThrow(/line [12] of config/);
  }
});

test("an include is a variable like any other", () => {
  expect(flat("[include]\npath = /etc/passwd\n")).toEqual(["include||path=/etc/passwd"]);
});

test("the last value wins, and subsections are not confused with it", () => {
  const entries = parse('[core]\nbare=true\n[core "x"]\nbare=1\n[core]\nbare=no\n');
  expect(lastValue(entries, "core", "bare")).toBe("no");
  expect(booleanValue("no")).toBe(false);
  expect(booleanValue("On")).toBe(true);
  expect(booleanValue("maybe")).toBeUndefined();
});

test("what is written is read back the same, whatever the value", () => {
  const text = fc
    .string({ unit: "binary", maxLength: 30 })
    .map((value) =>
      Buffer.from(value.replaceAll("\0", ""), "utf8").toString("latin1").replace(/\r\n?/g, "r"),
    );
  fc.assert(
    fc.property(text, text, (value, sub) => {
      const entry: ConfigEntry = { section: "a", subsection: sub.replaceAll("\n", ""), key: "k", value };
      expect(parseConfigFile(formatConfigFile([entry]), "x")).toEqual([entry]);
    }),
  );
});

test("no input makes the reader loop or fail in another way than its own", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'[]"\\=#;\n\r ab1.\t\0-'), maxLength: 40 }), (input) => {
      try {
        parse(input);
      } catch (error) {
        expect(String(error)).toContain("is not git configuration");
      }
    }),
    { numRuns: 3000 },
  );
});
