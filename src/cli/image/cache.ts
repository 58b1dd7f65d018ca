/** banger image cache */
import { formatBytes } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { toggle } from "../flags.ts";
import { oneOf, required } from "../option.ts";

export const command = defineCommand({
  summary: "free what is kept of container images for the next pull",
  details:
    "Layers are kept by their digests, so that a pull fetches only what is new. Images in the store need none of them.",
  examples: [
    { command: "image cache prune --dry-run", note: "how much that would be" },
    { command: "image cache prune", note: "free it" },
  ],
  args: {
    action: required({ value: "action", description: "prune" }, oneOf(["prune"], "must be prune")),
  },
  flags: { dryRun: toggle("only say how much would be freed") },
  run: async ({ dryRun }, ctx) => {
    const client = await ctx.client();
    const { bytes, blobs, directory } = await client.call(
      "image.prune_cache",
      { dryRun },
      { signal: ctx.signal },
    );
    ctx.out(
      `${dryRun ? "would free" : "freed"} ${formatBytes(bytes)} across ${blobs} blob(s) in ${directory}`,
    );
    return undefined;
  },
});
