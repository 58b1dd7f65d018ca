/** banger kernel pull */
import { defineCommand } from "../command.ts";
import { json, oneKernel, toggle } from "../flags.ts";
import { startProgress } from "../output/progress.ts";
import { printResult } from "../output/table.ts";

export const command = defineCommand({
  summary: "fetch a kernel",
  examples: [
    { command: "kernel pull debian-cloud-6.1", note: "get it ready now" },
    { command: "kernel pull debian-cloud-6.1 --force", note: "again, even if it is there" },
  ],
  args: { kernel: oneKernel("catalog kernel") },
  flags: { force: toggle("fetch it even if it is there", "f"), json: json() },
  interrupted: "nothing half-made is left; a new pull begins again",
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
      printResult(ctx, input.json, kernel, kernel.name);
    } finally {
      progress.end();
    }
    return undefined;
  },
});
