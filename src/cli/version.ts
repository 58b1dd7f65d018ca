/** banger version */
import { builtAt, commit, version } from "../base/version.ts";
import { defineCommand } from "./command.ts";
import { json } from "./flags.ts";
import { printJson } from "./output/table.ts";

export const command = defineCommand({
  summary: "print the version, its commit and when it was built",
  examples: [
    { command: "version", note: "three lines" },
    { command: "--version", note: "one line" },
  ],
  args: {},
  flags: { json: json() },
  run: async (input, ctx) => {
    if (input.json) printJson(ctx, { version, commit, builtAt });
    else
      for (const line of [`version: ${version}`, `commit: ${commit}`, `built-at: ${builtAt}`]) ctx.out(line);
    return undefined;
  },
});
