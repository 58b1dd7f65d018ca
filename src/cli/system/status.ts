/** banger system status */
import { defineCommand, Quiet } from "../command.ts";
import { json } from "../flags.ts";
import { printJson, renderRecord } from "../output/table.ts";
import { statusRows } from "./status-rows.ts";
import { sudoLine } from "./sudo-line.ts";

export const command = defineCommand({
  summary: "show what is installed, and whether it runs and answers",
  details:
    "Needs no root. The exit status is 1 when nothing is installed, or a service does not run or answer.",
  examples: [
    { command: "system status", note: "services, sockets, versions, owner" },
    { command: "system status --json", note: "the same for programs" },
  ],
  args: {},
  flags: { json: json() },
  run: async (input, ctx) => {
    const status = await (await ctx.system(sudoLine(ctx, ["system", "status"]), ctx.note)).status();
    if (input.json) printJson(ctx, status);
    else ctx.out(renderRecord(ctx, statusRows(status, ctx.today())));
    if (!status.well) throw new Quiet(1);
    return undefined;
  },
});
