/** banger kernel rm */
import { defineCommand } from "../command.ts";
import { oneKernel } from "../flags.ts";

export const command = defineCommand({
  summary: "remove a kernel that no image or VM uses",
  examples: [{ command: "kernel rm debian-cloud-6.1", note: "the next run fetches it again" }],
  args: { kernel: oneKernel() },
  flags: {},
  run: async (input, ctx) => {
    const client = await ctx.client();
    await client.call("kernel.remove", { ref: input.kernel }, { signal: ctx.signal });
    ctx.out(input.kernel);
    return undefined;
  },
});
