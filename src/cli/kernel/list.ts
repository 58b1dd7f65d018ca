/** banger kernel list */
import { artifactListFlags, printArtifacts, warnings } from "../artifact-list.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  summary: "list kernels",
  examples: [
    { command: "kernel list", note: "those in the store" },
    { command: "kernel list --available", note: "and those that could be fetched" },
  ],
  args: {},
  flags: artifactListFlags,
  run: async ({ available, ...how }, ctx) => {
    const client = await ctx.client();
    const kernels = await client.call(
      "kernel.list",
      { available },
      { signal: ctx.signal, onEvent: warnings(ctx) },
    );
    const next = "no kernel yet: an image brings its own; what there is: banger kernel list --available";
    printArtifacts(ctx, kernels, how, { header: "VERSION", cell: (kernel) => kernel.version, next });
    return undefined;
  },
});
