/** banger system restart */
import { defineCommand } from "../command.ts";
import { renderRecord } from "../output/table.ts";
import { statusRows } from "./status-rows.ts";
import { sudoLine } from "./sudo-line.ts";

export const command = defineCommand({
  summary: "restart both services; running VMs go on, commands in them are cut off",
  examples: [{ command: "system restart", note: "returns when both answer (with sudo)" }],
  args: {},
  flags: {},
  run: async (_input, ctx) => {
    const system = await ctx.system(sudoLine(ctx, ["system", "restart"]), ctx.note);
    ctx.out(renderRecord(statusRows(await system.restart(ctx.signal), ctx.today())));
    return undefined;
  },
});
