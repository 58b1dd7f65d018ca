/** banger vm stop */
import { defineCommand } from "../command.ts";
import { json, manyVms } from "../flags.ts";
import { forEachVm } from "../refs.ts";

export const command = defineCommand({
  summary: "stop VMs in order, keeping their disks",
  details:
    "The guest is asked to power off; if it does not, its machine is ended after a while. Of a VM that is suspended the saved memory is given up: what ran in it is lost, its files are as they were when it was suspended.",
  examples: [
    { command: "vm stop calm-otter", note: "power it off" },
    { command: "vm stop calm-otter 3f2a", note: "several at once, by name or id" },
  ],
  args: { vms: manyVms() },
  flags: { json: json() },
  interrupted: "a VM may be on its way down; see: banger vm list",
  run: async ({ vms, json: asJson }, ctx) => {
    await forEachVm(ctx, {
      refs: vms,
      json: asJson,
      call: (client, vm, options) => client.call("vm.stop", { ref: vm.id }, options),
      done: (vm) => vm.name,
    });
    return undefined;
  },
});
