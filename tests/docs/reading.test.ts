/** How pages are read: what is not understood is an error, and nothing is passed over. */
import { describe, expect, test } from "bun:test";
import { consoleCommands, parsePage } from "./blocks.ts";
import { refusal } from "./command-line.ts";
import { simpleCommands } from "./shell-words.ts";

const block = (fate: string, language = "sh") => `${fate}\n\`\`\`${language}\nbanger vm list\n\`\`\`\n`;

describe("a page", () => {
  test("gives its blocks with their fates, its code, links and anchors", () => {
    const page = parsePage(
      `# Two words!\nSee \`vm list\` and [it](a.md#b).\n<!-- test: run\ntrue\n-->\n\n${block("").trimStart()}${block("<!-- test: parse, because so -->", "console")}`,
    );
    expect(page).toEqual({
      anchors: ["two-words"],
      code: [{ line: 2, text: "vm list" }],
      links: [{ line: 2, text: "a.md#b" }],
      blocks: [
        { line: 7, language: "sh", text: "banger vm list", fate: { kind: "run" }, before: "true" },
        {
          ...{ line: 11, language: "console", text: "banger vm list", before: "" },
          fate: { kind: "parse", reason: "so" },
        },
      ],
    });
  });

  test.each([
    ["run until ^x$", { kind: "interrupt", until: /^x$/ }],
    ["run on the host", { kind: "host", user: "dev" }],
    ["run on the host as root", { kind: "host", user: "root" }],
    ["run by tests/e2e/a.test.ts", { kind: "elsewhere", file: "tests/e2e/a.test.ts" }],
  ])("a fate: %s", (words, fate) => {
    expect(parsePage(block(`<!-- test: ${words} -->`)).blocks[0]?.fate).toEqual(fate as never);
  });

  test.each([
    ["a block of commands without a fate", block("")],
    ["no such fate: parse", block("<!-- test: parse -->")],
    ["no such fate: run by a.ts", block("<!-- test: run by a.ts -->")],
    ["a fate for no commands", block("<!-- test: run -->", "toml")],
    ['not ""', block("", "")],
    ["two fates", block("<!-- test: run -->\n<!-- test: run -->")],
    ["of no block", "<!-- test: run -->\ntext\n"],
    ["of no block", "<!-- test: run -->\n"],
    ["does not end", "```text\n"],
    ["does not end", "<!-- test: run\n"],
  ])("is refused: %s", (why, text) => {
    expect(() => parsePage(text)).toThrow(why);
  });

  test("a console shows commands, each with what it prints", () => {
    expect(consoleCommands("$ a\nb\nc\n$ d")).toEqual([
      { command: "a", output: "b\nc\n" },
      { command: "d", output: "" },
    ]);
    expect(() => consoleCommands("b")).toThrow("output without a command");
  });
});

test.each([
  ["a 'b c' \"d $(e 'f') g\" h\\ i", [["a", "b c", "d $(e 'f') g", "h i"]]],
  ["a b  # c | d\n\n e", [["a", "b"], ["e"]]],
  ["a | b; c && sudo d || X=1 e &\nf \\\n g", [["a"], ["b"], ["c"], ["d"], ["e"], ["f", "g"]]],
  ["a > b 2>&1 < c", [["a"]]],
  ["a <(b c) d", [["a"], ["b", "c"], ["d"]]],
  ["a $(b (c)) d", [["a", "$(b (c))", "d"]]],
  ["for n in 1; do a $n; done", [["for", "n", "in", "1"], ["a", "$n"], ["done"]]],
])("the commands of %s", (text, words) => {
  expect(simpleCommands(text)).toEqual(words);
});

test.each(["a `b`", "a << END", "a 'b", 'a "b', "a $(b", "a >"])("%s is not understood", (text) => {
  expect(() => simpleCommands(text)).toThrow();
});

describe("a command line", () => {
  test.each([
    ["vm run ./repo -- make test"],
    ["vm list --help"],
    ["--version"],
    ["help vm run"],
    ["--quiet vm start VM"],
    ["vm create --name NAME --memory SIZE"],
  ])("%s is taken", async (line) => {
    expect(await refusal(line.split(" "))).toBeUndefined();
  });

  test.each([
    ["vm lsit", "unknown command lsit"],
    ["vm list --jsno", "unknown flag --jsno"],
    ["vm create --memory much", '--memory "much"'],
    ["vm start", "vm is missing"],
    ["vm", "no command, but a group"],
    ["help vm rnu", "unknown command rnu"],
  ])("%s is refused", async (line, why) => {
    expect(await refusal(line.split(" "))).toContain(why);
  });

  test("in a sentence may leave out what it needs, and nothing else", async () => {
    const mention = (line: string) => refusal(line.split(" "), true);
    for (const line of ["vm", "vm start", "vm stats [NAME...]", "vm ...", "vm create --memory"])
      expect(await mention(line)).toBeUndefined();
    expect(await mention("vm exec --not-there")).toContain("unknown flag");
  });
});
