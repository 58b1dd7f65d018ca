/** banger vm prune */
import type { Vm } from "../../rpc/contract.ts";
import { defineCommand } from "../command.ts";
import { confirm } from "../confirm.ts";
import type { Context } from "../context.ts";
import { json, toggle } from "../flags.ts";
import { printJson } from "../output/table.ts";
import { forEachVm } from "../refs.ts";
import { unknownWork } from "../workspace/unpulled.ts";
import { vmTable } from "./list.ts";

const prunable: readonly Vm["state"][] = ["created", "stopped", "error"];

export const command = defineCommand({
  summary: "delete every VM that is stopped",
  details:
    "Shows what would go and asks first, unless --yes is given. VMs that are paused or suspended stay.",
  examples: [
    { command: "vm prune", note: "look, then decide" },
    { command: "vm prune --yes", note: "without a question" },
  ],
  args: {},
  flags: { yes: toggle("do not ask", "y"), json: json() },
  interrupted: "VMs that are not gone yet stay; see: banger vm list",
  run: async ({ yes, json: asJson }, ctx) => {
    const client = await ctx.client();
    const vms = await client.call("vm.list", {}, { signal: ctx.signal });
    const idle = vms.filter((vm) => prunable.includes(vm.state));
    if (idle.length === 0) {
      ctx.note("nothing to prune: no VM is stopped");
      if (asJson) printJson(ctx, []);
      return undefined;
    }
    if (!yes && !(await confirmed(ctx, idle))) {
      ctx.note("nothing deleted");
      return undefined;
    }
    await forEachVm(ctx, {
      refs: idle.map((vm) => vm.id),
      json: asJson,
      call: (daemon, vm, options) => daemon.call("vm.delete", { ref: vm.id, idle: true }, options),
      done: (vm) => vm.name,
    });
    return undefined;
  },
});

function confirmed(ctx: Context, vms: readonly Vm[]): Promise<boolean> {
  ctx.err(vmTable(vms, ctx));
  for (const line of vms.map(unknownWork)) if (line !== undefined) ctx.err(line);
  const what = vms.length === 1 ? "this VM and its disks" : `these ${vms.length} VMs and their disks`;
  return confirm(ctx, `delete ${what}?`, "delete them without a question: banger vm prune --yes");
}
