/** banger vm delete */
import { defineCommand } from "../command.ts";
import { confirm } from "../confirm.ts";
import type { Context } from "../context.ts";
import { json, manyVms, toggle } from "../flags.ts";
import { forEachVm } from "../refs.ts";

export const command = defineCommand({
  summary: "delete VMs with all their disks",
  details:
    "A running VM is ended first. Nothing of it is kept. On a terminal it asks first where a VM may have work that was not pulled (vm pull): one that runs is asked what it has, of another one that had a workspace nobody knows.",
  examples: [
    { command: "vm delete calm-otter", note: "remove it and its disks" },
    { command: "vm delete calm-otter 3f2a", note: "several at once, by name or id" },
  ],
  args: { vms: manyVms() },
  flags: { yes: toggle("do not ask", "y"), json: json() },
  interrupted: "a VM may be half deleted; the same command goes on: see banger vm list",
  run: async ({ vms, yes, json: asJson }, ctx) => {
    if (!yes && !(await mayGo(ctx, vms))) {
      ctx.note("nothing deleted");
      return undefined;
    }
    await forEachVm(ctx, {
      refs: vms,
      json: asJson,
      call: (client, vm, options) => client.call("vm.delete", { ref: vm.id }, options),
      done: (vm) => vm.name,
    });
    return undefined;
  },
});

/** Scripts are not asked, and nobody is about a VM that has nothing of its own. */
async function mayGo(ctx: Context, refs: readonly string[]): Promise<boolean> {
  if (!ctx.tty.stdin || !ctx.tty.stderr) return true;
  const client = await ctx.client();
  const resolved = await client.call("vm.resolve", { refs: [...refs] }, { signal: ctx.signal });
  const withWork = resolved.flatMap((each) => ("vm" in each && each.vm.workspace !== null ? [each.vm] : []));
  if (withWork.length === 0) return true;
  const { unpulledWork } = await import("../workspace/unpulled.ts");
  const lost = await unpulledWork(ctx, client, withWork);
  if (lost.length === 0) return true;
  for (const line of lost) ctx.err(line);
  const what = resolved.length === 1 ? "it" : "all of them";
  return confirm(ctx, `delete ${what} all the same?`, "without a question: banger vm delete --yes");
}
