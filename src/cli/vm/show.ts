/** banger vm show */
import { defineCommand } from "../command.ts";
import { oneVm, toggle } from "../flags.ts";
import { printJson } from "../output/table.ts";

export const command = defineCommand({
  summary: "show everything about a VM, as JSON",
  examples: [
    { command: "vm show calm-otter", note: "its record" },
    { command: "vm show calm-otter | jq -r .state", note: "one field of it" },
  ],
  args: { vm: oneVm() },
  flags: { json: toggle("print JSON (as it does anyway)") },
  run: async ({ vm }, ctx) => {
    const client = await ctx.client();
    printJson(ctx, await client.call("vm.show", { ref: vm }, { signal: ctx.signal }));
    return undefined;
  },
});
