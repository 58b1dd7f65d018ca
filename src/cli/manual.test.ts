import { describe, expect, test } from "bun:test";
import { groups, topLevel } from "./commands.ts";
import { manualPages } from "./manual.ts";
import { flagsOf } from "./parse.ts";

describe("the manual", () => {
  test("has a page for banger, for each group that people see, and for each command without one", async () => {
    const shown = Object.entries(groups).filter(([, { hidden }]) => hidden !== true);
    const names = [...shown.map(([name]) => name), ...Object.keys(topLevel)];
    expect([...(await manualPages()).keys()]).toEqual([
      "banger.1",
      ...names.map((name) => `banger-${name}.1`),
    ]);
  });

  test("tells of every command and flag", async () => {
    const pages = await manualPages();
    for (const [name, { commands, hidden }] of Object.entries(groups)) {
      if (hidden === true) continue;
      const page = pages.get(`banger-${name}.1`) ?? "";
      for (const [word, load] of Object.entries(commands)) {
        expect(page).toContain(`.SS "banger ${name} ${word.replaceAll("-", "\\-")}"`);
        for (const { long } of flagsOf((await load()).command))
          expect(page).toContain(long.replaceAll("-", "\\-"));
      }
    }
  });

  test("has no line that man would take for a request of its own", async () => {
    const known = /^\.(TH|SH|SS|TP|PP|br|IP) ?/;
    for (const [name, text] of await manualPages())
      for (const line of text.split("\n"))
        if (/^[.']/.test(line)) expect([name, line]).toEqual([name, expect.stringMatching(known)]);
  });
});
