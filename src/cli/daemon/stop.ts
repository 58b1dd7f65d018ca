/** banger daemon stop */
import { BangerError } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import type { Context, Daemon } from "../context.ts";

/** How long a daemon may take to end its own processes and to close its database, in ms: usually a tenth of a second. */
const endsWithinMs = 10_000;

export const command = defineCommand({
  summary: "end the daemon and wait until it has ended; running VMs go on",
  examples: [{ command: "daemon stop", note: "the next command that needs it starts it again" }],
  args: {},
  flags: {},
  run: async (_input, ctx) => {
    const client = await ctx.runningClient();
    if (client === undefined) ctx.note("the daemon is not running");
    else {
      const { others, pid } = await client.call("ping", {}, { signal: ctx.signal });
      await client.call("daemon.stop", {}, { signal: ctx.signal });
      if (others) ctx.note(`cut off what was under way: ${others} ${others === 1 ? "command" : "commands"}`);
      await ended(client, ctx);
      ctx.note(`the daemon (process ${pid}) has ended; VMs that run go on`);
    }
    return undefined;
  },
});

/** The daemon ends with its connections open: theirs is its own end. */
async function ended(daemon: Daemon, ctx: Context): Promise<void> {
  const given = Promise.withResolvers<never>();
  const leave = () => given.reject(new BangerError("cancelled", "cancelled"));
  ctx.signal.addEventListener("abort", leave, { once: true });
  if (ctx.signal.aborted) leave();
  const late = setTimeout(() => {
    const message = `the daemon was told to end, and has not within ${endsWithinMs / 1000} s`;
    given.reject(new BangerError("unavailable", message, { hint: "what it does: banger daemon logs" }));
  }, endsWithinMs);
  try {
    await Promise.race([daemon.closed, given.promise]);
  } finally {
    clearTimeout(late);
    ctx.signal.removeEventListener("abort", leave);
  }
}
