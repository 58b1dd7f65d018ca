/** banger vm create */
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { json, specFlags } from "../flags.ts";
import { startProgress } from "../output/progress.ts";
import { printResult } from "../output/table.ts";
import { planVm } from "./spec.ts";

export const command = defineCommand({
  summary: "make a VM that stays, and start it",
  examples: [
    { command: "vm create --name devbox", note: "make it and boot it" },
    { command: "vm create --memory 4G --disk-size 64G --nat", note: "larger, with network" },
    { command: "vm create --no-start", note: "only make it" },
  ],
  args: {},
  flags: {
    ...specFlags,
    start: { kind: "switch", negated: true, description: "do not boot it" },
    json: json(),
  },
  interrupted: "what was made of the VM is taken back",
  run: async (input, ctx: Context) => {
    const client = await ctx.client();
    const plan = await planVm(ctx, client, input, { start: input.start, ephemeral: false });
    const progress = startProgress(ctx);
    try {
      const vm = await client.call("vm.create", plan.params, {
        signal: ctx.signal,
        onEvent: (event) => {
          plan.announce();
          progress.event(event);
        },
      });
      plan.announce();
      const ready = vm.start?.how === "warm" ? "ready (warm)" : "ready";
      progress.end(input.start ? ready : "created");
      printResult(ctx, input.json, vm, vm.name);
    } finally {
      progress.end();
    }
    return undefined;
  },
});
