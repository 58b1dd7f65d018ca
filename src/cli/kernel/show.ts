/** banger kernel show */
import { defineCommand } from "../command.ts";
import { oneKernel, toggle } from "../flags.ts";
import { printJson } from "../output/table.ts";

export const command = defineCommand({
  summary: "show everything about a kernel, as JSON",
  examples: [{ command: "kernel show debian-cloud-6.1", note: "its record" }],
  args: { kernel: oneKernel() },
  flags: { json: toggle("print JSON (as it does anyway)") },
  run: async (input, ctx) => {
    const client = await ctx.client();
    printJson(ctx, await client.call("kernel.show", { ref: input.kernel }, { signal: ctx.signal }));
    return undefined;
  },
});
