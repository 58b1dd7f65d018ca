/** banger vm delete */
import { defineCommand } from "../command.ts";
import { json, manyVms } from "../flags.ts";
import { forEachVm } from "../refs.ts";

export const command = defineCommand({
  summary: "delete VMs with all their disks",
  details: "A running VM is ended first. Nothing of it is kept.",
  examples: [
    { command: "vm delete calm-otter", note: "remove it and its disks" },
    { command: "vm delete calm-otter 3f2a", note: "several at once, by name or id" },
  ],
  args: { vms: manyVms() },
  flags: { json: json() },
  interrupted: "a VM may be half deleted; the same command goes on: see banger vm list",
  run: async ({ vms, json: asJson }, ctx) => {
    await forEachVm(ctx, {
      refs: vms,
      json: asJson,
      call: (client, vm, options) => client.call("vm.delete", { ref: vm.id }, options),
      done: (vm) => vm.name,
    });
    return undefined;
  },
});
