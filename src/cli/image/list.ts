/** banger image list */
import { artifactListFlags, printArtifacts, warnings } from "../artifact-list.ts";
import { defineCommand } from "../command.ts";

export const command = defineCommand({
  summary: "list images",
  examples: [
    { command: "image list", note: "those in the store" },
    { command: "image list --available", note: "and those that could be built or fetched" },
  ],
  args: {},
  flags: artifactListFlags,
  run: async ({ available, ...how }, ctx) => {
    const client = await ctx.client();
    const images = await client.call(
      "image.list",
      { available },
      { signal: ctx.signal, onEvent: warnings(ctx) },
    );
    const next =
      "no image yet: the first VM brings the default one; what there is: banger image list --available";
    printArtifacts(ctx, images, how, { header: "KERNEL", cell: (image) => image.kernel, next });
    return undefined;
  },
});
