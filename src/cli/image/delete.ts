/** banger image delete */
import { defineCommand } from "../command.ts";
import { oneImage } from "../flags.ts";

export const command = defineCommand({
  summary: "delete an image that no VM uses",
  examples: [{ command: "image delete debian-bookworm", note: "the next run builds it again" }],
  args: { image: oneImage() },
  flags: {},
  run: async (input, ctx) => {
    const client = await ctx.client();
    await client.call("image.delete", { ref: input.image }, { signal: ctx.signal });
    ctx.out(input.image);
    return undefined;
  },
});
