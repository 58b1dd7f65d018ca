/** banger kernel rm */
import { defineCommand } from "../command.ts";
import { json, oneKernel } from "../flags.ts";
import { printResult } from "../output/table.ts";

export const command = defineCommand({
  summary: "remove a kernel that no image or VM uses",
  examples: [{ command: "kernel rm debian-cloud-6.1", note: "the next run fetches it again" }],
  args: { kernel: oneKernel() },
  flags: { json: json() },
  run: async (input, ctx) => {
    const client = await ctx.client();
    await client.call("kernel.remove", { ref: input.kernel }, { signal: ctx.signal });
    printResult(ctx, input.json, { kernel: input.kernel }, input.kernel);
    return undefined;
  },
});
