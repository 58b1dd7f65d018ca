/** banger internal man: the manual pages, for packages and for who installs banger by hand. */
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { defineCommand } from "../command.ts";
import { manualPages } from "../manual.ts";
import { matching, required } from "../option.ts";

export const command = defineCommand({
  summary: "write the manual pages into a directory",
  examples: [{ command: "internal man ~/.local/share/man/man1", note: "then: man banger" }],
  args: {
    dir: required(
      { description: "made if it is not there", completes: "directory" },
      matching(/./s, "is empty"),
    ),
  },
  flags: {},
  run: async ({ dir }, ctx) => {
    const to = resolve(ctx.cwd, dir);
    await mkdir(to, { recursive: true });
    for (const [name, text] of await manualPages()) {
      await writeFile(join(to, name), text);
      ctx.out(join(to, name));
    }
    return undefined;
  },
});
