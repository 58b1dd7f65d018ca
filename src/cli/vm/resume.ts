/** banger vm resume */
import { defineCommand } from "../command.ts";
import { json, manyVms } from "../flags.ts";
import { forEachVm } from "../refs.ts";

export const command = defineCommand({
  summary: "let paused VMs go on",
  details: "Their clocks are set to the host's.",
  examples: [
    { command: "vm resume calm-otter", note: "let it go on" },
    { command: "vm resume calm-otter 3f2a", note: "several at once, by name or id" },
  ],
  args: { vms: manyVms() },
  flags: { json: json() },
  interrupted: "see which VMs are paused: banger vm list",
  run: async ({ vms, json: asJson }, ctx) => {
    await forEachVm(ctx, {
      refs: vms,
      json: asJson,
      call: (client, vm, options) => client.call("vm.resume", { ref: vm.id }, options),
      done: (vm) => vm.name,
    });
    return undefined;
  },
});
