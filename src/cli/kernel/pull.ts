/** banger kernel pull */
import { defineCommand } from "../command.ts";
import { oneKernel, toggle } from "../flags.ts";
import { startProgress } from "../output/progress.ts";

export const command = defineCommand({
  summary: "fetch a kernel",
  examples: [
    { command: "kernel pull debian-cloud-6.1", note: "get it ready now" },
    { command: "kernel pull debian-cloud-6.1 --force", note: "again, even if it is there" },
  ],
  args: { kernel: oneKernel("catalog kernel") },
  flags: { force: toggle("fetch it even if it is there", "f") },
  run: async (input, ctx) => {
    const client = await ctx.client();
    const progress = startProgress(ctx);
    try {
      const kernel = await client.call(
        "kernel.pull",
        { ref: input.kernel, force: input.force },
        { signal: ctx.signal, onEvent: (event) => progress.event(event) },
      );
      progress.end(`${kernel.name} ready`);
      ctx.out(kernel.name);
    } finally {
      progress.end();
    }
    return undefined;
  },
});
