import { describe, expect, test } from "bun:test";
import { sumsText } from "../../scripts/release/sums.ts";
import { readSums } from "./sums.ts";

const sum = "ab".repeat(32);
const other = "CD".repeat(32);
const head = "# banger 1.2.3\n# date 2026-11-20T10:00:00Z\n";
const read = (text: string) => readSums(Buffer.from(text, "utf8"));

describe("checksums are read", () => {
  test("as a release writes them", () => {
    const files = new Map([
      ["a.tar.gz", Buffer.from("1")],
      ["LICENSES", Buffer.from("2")],
    ]);
    const read = readSums(
      Buffer.from(sumsText({ version: "1.2.3-rc.1", date: "2026-11-20T10:00:00Z", files })),
    );
    expect([read.version, read.date, [...read.files.keys()]]).toEqual([
      "1.2.3-rc.1",
      "2026-11-20T10:00:00Z",
      ["LICENSES", "a.tar.gz"],
    ]);
  });

  test.each([
    ["GNU's", `${sum}  a.tar.gz\n`],
    ["GNU's for binaries", `${sum} *a.tar.gz\n`],
    ["BSD's", `SHA256 (a.tar.gz) = ${sum}\n`],
    ["among comments and empty lines", `\n# more\n${sum}  a.tar.gz\n\n`],
    ["in capitals", `${sum.toUpperCase()}  a.tar.gz\n`],
  ])("in %s form", (_, lines) => {
    expect(read(head + lines)).toEqual({
      ...{ version: "1.2.3", date: "2026-11-20T10:00:00Z" },
      files: new Map([["a.tar.gz", sum]]),
    });
  });
});

describe("checksums are refused", () => {
  test.each([
    ["that are empty", ""],
    ["without a file", head],
    ["without a version", `# date 2026-11-20T10:00:00Z\n${sum}  a\n`],
    ["without a date", `# banger 1.2.3\n${sum}  a\n`],
    ["whose head is not the first", `\n${head}${sum}  a\n`],
    ["of two versions", `${head}# banger 1.2.4\n${sum}  a\n`],
    ["of two versions, one of them with other spaces", `${head}#  banger 1.2.4\n${sum}  a\n`],
    ["of two dates", `${head}# date 2027-11-20T10:00:00Z\n${sum}  a\n`],
    ["of a version that is none", `# banger 1.2\n# date 2026-11-20T10:00:00Z\n${sum}  a\n`],
    ["of a version with a path in it", `# banger ../1.2.3\n# date 2026-11-20T10:00:00Z\n${sum}  a\n`],
    ["of a date that is none", `# banger 1.2.3\n# date yesterday\n${sum}  a\n`],
    ["of a date without a zone", `# banger 1.2.3\n# date 2026-11-20T10:00:00\n${sum}  a\n`],
    ["that name a file twice", `${head}${sum}  a\n${sum}  a\n`],
    ["that name a file twice, in two forms", `${head}${sum}  a\nSHA256 (a) = ${other}\n`],
    ["with a path", `${head}${sum}  ../a\n`],
    ["with a path from the root", `${head}${sum}  /a\n`],
    ["with a directory", `${head}${sum}  b/a\n`],
    ["with a hidden name", `${head}${sum}  .a\n`],
    ["with an option for a name", `${head}${sum}  -a\n`],
    ["with a space in a name", `${head}${sum}  a b\n`],
    ["with a space behind a name", `${head}${sum}  a \n`],
    ["with GNU's escaped names", `${head}\\${sum}  a\n`],
    ["with three spaces", `${head}${sum}   a\n`],
    ["with one space", `${head}${sum} a\n`],
    ["with a tab", `${head}${sum}\ta\n`],
    ["with a sum too short", `${head}${sum.slice(1)}  a\n`],
    ["with a sum too long", `${head}${sum}0  a\n`],
    ["with another hash", `${head}${"ab".repeat(64)}  a\n`],
    ["with BSD's name of another hash", `${head}SHA512 (a) = ${sum}\n`],
    ["with a byte order mark", `\ufeff${head}${sum}  a\n`],
    ["with ends of lines of another system", `${head}${sum}  a\n`.replaceAll("\n", "\r\n")],
    ["with one such end", `${head}${sum}  a\r\n`],
    ["with a NUL", `${head}${sum}  a\0\n`],
    ["with letters of another script", `${head}${sum}  \u0430\n`],
    ["with other separators of lines", `${head}${sum}  a\u2028${sum}  b\n`],
    ["that were cut in their last line", `${head}${sum}  a`],
    ["with something that is no entry", `${head}${sum}  a\nhello\n`],
  ])("%s", (_, text) => {
    expect(() => read(text)).toThrow("the checksums of the release are malformed");
  });
});
