/** banger vm suspend */
import { defineCommand } from "../command.ts";
import { json, manyVms } from "../flags.ts";
import { forEachVm } from "../refs.ts";

export const command = defineCommand({
  summary: "save running VMs' memory to the disk, and free it",
  details:
    "vm start goes on from there, with everything that ran, also after the host was started anew. vm stop gives the saved memory up: the VM then boots from its disks, on which its files are as they were when it was suspended.",
  examples: [
    { command: "vm suspend calm-otter", note: "save it and end its machine" },
    { command: "vm start calm-otter", note: "go on" },
  ],
  args: { vms: manyVms() },
  flags: { json: json() },
  interrupted: "a VM may be suspended in a moment all the same; see: banger vm list",
  run: async ({ vms, json: asJson }, ctx) => {
    await forEachVm(ctx, {
      refs: vms,
      json: asJson,
      call: (client, vm, options) => client.call("vm.suspend", { ref: vm.id }, options),
      done: (vm) => vm.name,
    });
    return undefined;
  },
});
