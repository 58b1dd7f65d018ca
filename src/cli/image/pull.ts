/** banger image pull */
import { defineCommand } from "../command.ts";
import { oneImage } from "../flags.ts";
import { startProgress } from "../output/progress.ts";

export const command = defineCommand({
  summary: "build or fetch an image and its kernel",
  details:
    "The first vm run does this by itself. An image that is there already is left as it is, unless this banger has a newer recipe for it.",
  examples: [{ command: "image pull debian-bookworm", note: "get it ready now" }],
  args: { image: oneImage() },
  flags: {},
  run: async (input, ctx) => {
    const client = await ctx.client();
    const progress = startProgress(ctx);
    try {
      const image = await client.call(
        "image.pull",
        { ref: input.image },
        { signal: ctx.signal, onEvent: (event) => progress.event(event) },
      );
      progress.end(`${image.name} ready`);
      ctx.out(image.name);
    } finally {
      progress.end();
    }
    return undefined;
  },
});
