/** banger tui */
import { BangerError } from "../base/base.ts";
import { defineCommand } from "./command.ts";
import { Tui } from "./tui/tui.ts";

export const command = defineCommand({
  summary: "look after VMs in a live table: shells, logs, stop, start, delete",
  details:
    "Keys: up and down choose a VM, enter opens a shell in it, l shows its console, x stops it, S starts it, d deletes it after a question, ? helps, q leaves. VMs run on when it ends. The numbers are those of vm stats, looked at every two seconds.",
  examples: [{ command: "tui", note: "the table" }],
  args: {},
  flags: {},
  run: async (_input, ctx) => {
    if (!ctx.tty.stdin || !ctx.tty.stdout || ctx.env.TERM === "dumb") {
      const what = ctx.env.TERM === "dumb" ? "this one can do no more than print" : "there is none";
      throw new BangerError("bad_request", `the table needs a terminal, and ${what}`, {
        hint: "as lines: banger vm stats --watch; for programs: banger vm stats --watch --json",
      });
    }
    await new Tui(ctx, await ctx.client()).run();
    return undefined;
  },
});
