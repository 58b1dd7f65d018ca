/** banger vm show */
import { defineCommand } from "../command.ts";
import { json, oneVm } from "../flags.ts";
import { printJson, renderRecord } from "../output/table.ts";
import { vmRows } from "../output/vm-rows.ts";

export const command = defineCommand({
  summary: "show everything about a VM",
  examples: [
    { command: "vm show calm-otter", note: "what it is, how it was started, what it takes" },
    { command: "vm show calm-otter --json | jq -r .state", note: "one field of its record" },
  ],
  args: { vm: oneVm() },
  flags: { json: json() },
  run: async (input, ctx) => {
    const client = await ctx.client();
    const vm = await client.call("vm.show", { ref: input.vm }, { signal: ctx.signal });
    if (input.json) printJson(ctx, vm);
    else ctx.out(renderRecord(ctx, vmRows(vm, ctx.today())));
    return undefined;
  },
});
