/** banger image delete */
import { defineCommand } from "../command.ts";
import { json, oneImage } from "../flags.ts";
import { printResult } from "../output/table.ts";

export const command = defineCommand({
  summary: "delete an image that no VM uses",
  examples: [{ command: "image delete debian-bookworm", note: "the next run builds it again" }],
  args: { image: oneImage() },
  flags: { json: json() },
  run: async (input, ctx) => {
    const client = await ctx.client();
    await client.call("image.delete", { ref: input.image }, { signal: ctx.signal });
    printResult(ctx, input.json, { image: input.image }, input.image);
    return undefined;
  },
});
