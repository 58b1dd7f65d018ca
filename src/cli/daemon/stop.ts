/** banger daemon stop */
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  summary: "end the daemon; running VMs go on",
  examples: [{ command: "daemon stop", note: "the next command that needs it starts it again" }],
  args: {},
  flags: {},
  run: async (_input, ctx) => {
    const client = await ctx.runningClient();
    if (client === undefined) ctx.err("the daemon is not running");
    else await client.call("daemon.stop", {}, { signal: ctx.signal });
    return undefined;
  },
});
