/** banger vm kill */
import { defineCommand } from "../command.ts";
import { json, manyVms } from "../flags.ts";
import { listing, optional, Unfit } from "../option.ts";
import { forEachVm } from "../refs.ts";

/** What may be sent to a machine's process: nothing that only pauses it or that it cannot know. */
const signals: Readonly<Record<string, number>> = {
  TERM: 15,
  KILL: 9,
  INT: 2,
  HUP: 1,
  QUIT: 3,
  USR1: 10,
  USR2: 12,
  ABRT: 6,
};

const signal = optional(
  { value: "NAME", description: "signal for its machine (default: KILL)", short: "s" },
  listing(Object.keys(signals), (given) => {
    const name = given.toUpperCase().replace(/^SIG/, "");
    const number = Object.hasOwn(signals, name) ? signals[name] : undefined;
    if (number !== undefined) return number;
    throw new Unfit(`must be one of ${Object.keys(signals).join(", ")}`);
  }),
);

export const command = defineCommand({
  summary: "end VMs at once, keeping their disks",
  details: "The guest is not asked: what it had not written is lost, as when a plug is pulled. See vm stop.",
  examples: [
    { command: "vm kill calm-otter", note: "pull the plug" },
    { command: "vm kill --signal TERM calm-otter", note: "let its machine end by itself" },
  ],
  args: { vms: manyVms() },
  flags: { signal, json: json() },
  interrupted: "see what became of the VMs: banger vm list",
  run: async ({ vms, signal: given, json: asJson }, ctx) => {
    await forEachVm(ctx, {
      refs: vms,
      json: asJson,
      call: (client, vm, options) => client.call("vm.kill", { ref: vm.id, signal: given ?? 9 }, options),
      done: (vm) => vm.name,
    });
    return undefined;
  },
});
