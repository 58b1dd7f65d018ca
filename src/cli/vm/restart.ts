/** banger vm restart */
import { defineCommand } from "../command.ts";
import { json, manyVms } from "../flags.ts";
import { forEachVm } from "../refs.ts";

export const command = defineCommand({
  summary: "stop and start VMs",
  details: "Like vm stop followed by vm start: what ran in a VM that is suspended is lost, too.",
  examples: [
    { command: "vm restart calm-otter", note: "power it off and boot it again" },
    { command: "vm restart calm-otter 3f2a", note: "several at once, by name or id" },
  ],
  args: { vms: manyVms() },
  flags: { json: json() },
  interrupted: "a VM that was stopped already may stay so; see: banger vm list",
  run: async ({ vms, json: asJson }, ctx) => {
    await forEachVm(ctx, {
      refs: vms,
      json: asJson,
      call: (client, vm, options) => client.call("vm.restart", { ref: vm.id }, options),
      done: (vm) => vm.name,
    });
    return undefined;
  },
});
