/** banger vm pause */
import { defineCommand } from "../command.ts";
import { json, manyVms } from "../flags.ts";
import { forEachVm } from "../refs.ts";

export const command = defineCommand({
  summary: "halt running VMs",
  details:
    "Their processors stand still; memory, processes and connections stay as they are, and so does what the VMs take of the host's memory. stop, kill and delete work on a paused VM.",
  examples: [
    { command: "vm pause calm-otter", note: "halt it" },
    { command: "vm resume calm-otter", note: "let it go on" },
  ],
  args: { vms: manyVms() },
  flags: { json: json() },
  interrupted: "see which VMs are paused: banger vm list",
  run: async ({ vms, json: asJson }, ctx) => {
    await forEachVm(ctx, {
      refs: vms,
      json: asJson,
      call: (client, vm, options) => client.call("vm.pause", { ref: vm.id }, options),
      done: (vm) => vm.name,
    });
    return undefined;
  },
});
