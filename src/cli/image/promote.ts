/** banger image promote */
import { defineCommand } from "../command.ts";
import { json, oneImage } from "../flags.ts";
import { startProgress } from "../output/progress.ts";
import { printResult } from "../output/table.ts";

export const command = defineCommand({
  summary: "copy a registered image's file into the store",
  details:
    "From then on new VMs of the image need the file no more. VMs that were made before go on using it, and until they are deleted the image is in the list twice.",
  examples: [{ command: "image promote mine", note: "the file may go when no VM made before is left" }],
  args: { image: oneImage() },
  flags: { json: json() },
  interrupted: "the image is as it was, and nothing half-made is left",
  run: async (input, ctx) => {
    const client = await ctx.client();
    const progress = startProgress(ctx);
    try {
      const image = await client.call(
        "image.promote",
        { ref: input.image },
        { signal: ctx.signal, onEvent: (event) => progress.event(event) },
      );
      progress.end(`${image.name} copied`);
      printResult(ctx, input.json, image, image.name);
    } finally {
      progress.end();
    }
    return undefined;
  },
});
