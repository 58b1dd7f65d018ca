/** banger daemon socket */
import { defineCommand } from "../command.ts";
import { json } from "../flags.ts";
import { printResult } from "../output/table.ts";

export const command = defineCommand({
  summary: "print the path of the daemon's socket",
  examples: [{ command: "daemon socket", note: "whether it runs or not" }],
  args: {},
  flags: { json: json() },
  run: async ({ json: asJson }, ctx) => {
    const { mode, socket } = await ctx.paths();
    printResult(ctx, asJson, { mode, socket }, socket);
    return undefined;
  },
});
