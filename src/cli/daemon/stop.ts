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
    else {
      const { others } = await client.call("ping", {}, { signal: ctx.signal });
      await client.call("daemon.stop", {}, { signal: ctx.signal });
      if (others) ctx.err(`cut off what was under way: ${others} ${others === 1 ? "command" : "commands"}`);
    }
    return undefined;
  },
});
