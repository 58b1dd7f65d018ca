/** banger vm start */
import { defineCommand } from "../command.ts";
import { json, manyVms } from "../flags.ts";
import { forEachVm } from "../refs.ts";

export const command = defineCommand({
  summary: "start stopped VMs",
  details:
    "Boots a VM that exists, with the disks it had; one that has never run goes on from its template, if there is one.",
  examples: [
    { command: "vm start calm-otter", note: "boot it" },
    { command: "vm start calm-otter 3f2a", note: "several at once, by name or id" },
  ],
  args: { vms: manyVms() },
  flags: { json: json() },
  interrupted: "a start that was under way is taken back; see: banger vm list",
  run: async ({ vms, json: asJson }, ctx) => {
    await forEachVm(ctx, {
      refs: vms,
      json: asJson,
      call: (client, vm, options) => client.call("vm.start", { ref: vm.id }, options),
      done: (vm) => vm.name,
    });
    return undefined;
  },
});
