/** banger image show */
import { defineCommand } from "../command.ts";
import { oneImage, toggle } from "../flags.ts";
import { printJson } from "../output/table.ts";

export const command = defineCommand({
  summary: "show everything about an image, as JSON",
  examples: [{ command: "image show debian-bookworm", note: "its record" }],
  args: { image: oneImage() },
  flags: { json: toggle("print JSON (as it does anyway)") },
  run: async (input, ctx) => {
    const client = await ctx.client();
    printJson(ctx, await client.call("image.show", { ref: input.image }, { signal: ctx.signal }));
    return undefined;
  },
});
