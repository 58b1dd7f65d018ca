/** banger daemon socket */
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  summary: "print the path of the daemon's socket",
  examples: [{ command: "daemon socket", note: "whether it runs or not" }],
  args: {},
  flags: {},
  run: async (_input, ctx) => {
    ctx.out((await ctx.paths()).socket);
    return undefined;
  },
});
