/** banger vm ping */
import { defineCommand } from "../command.ts";
import { json, manyVms } from "../flags.ts";
import { forEachVm } from "../refs.ts";

export const command = defineCommand({
  summary: "ask whether VMs' guests answer, and how fast",
  details:
    "The guest's agent is asked, or where that is silent its ssh server (system mode); neither an address nor a port is needed. No VM is woken or kept from being stopped by it. The status is 1 when one does not answer.",
  examples: [
    { command: "vm ping calm-otter", note: "once" },
    { command: "vm ping calm-otter --json | jq '.[].ms'", note: "the round trip, for programs" },
  ],
  args: { vms: manyVms() },
  flags: { json: json() },
  run: async ({ vms, json: asJson }, ctx) => {
    await forEachVm(ctx, {
      refs: vms,
      json: asJson,
      call: (client, vm, { signal }) => client.call("vm.ping", { ref: vm.id }, { signal }),
      done: ({ name }, { by, ms }) =>
        `${name}: its ${by === "agent" ? "agent" : "ssh server"} answers in ${ms.toFixed(1)} ms`,
    });
    return undefined;
  },
});
