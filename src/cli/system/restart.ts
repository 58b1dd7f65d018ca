/** banger system restart */
import { defineCommand } from "../command.ts";
import { json } from "../flags.ts";
import { printResult, renderRecord } from "../output/table.ts";
import { statusRows } from "./status-rows.ts";
import { sudoLine } from "./sudo-line.ts";

export const command = defineCommand({
  summary: "restart both services; running VMs go on, commands in them are cut off",
  examples: [{ command: "system restart", note: "returns when both answer (with sudo)" }],
  args: {},
  flags: { json: json() },
  run: async ({ json: asJson }, ctx) => {
    const system = await ctx.system(sudoLine(ctx, ["system", "restart"]), ctx.note);
    const status = await system.restart(ctx.signal);
    printResult(ctx, asJson, status, renderRecord(ctx, statusRows(status, ctx.today())));
    return undefined;
  },
});
