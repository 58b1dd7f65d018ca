/** banger image cache */
import { formatBytes } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { json, toggle } from "../flags.ts";
import { oneOf, required } from "../option.ts";
import { printResult } from "../output/table.ts";

export const command = defineCommand({
  summary: "free what pulls of container images have left",
  details:
    "Parts of layers are kept when a pull fails, so that the next one goes on from there. Images in the store need none of it.",
  examples: [
    { command: "image cache prune --dry-run", note: "how much that would be" },
    { command: "image cache prune", note: "free it" },
  ],
  args: {
    action: required({ value: "action", description: "prune" }, oneOf(["prune"], "must be prune")),
  },
  flags: { dryRun: toggle("only say how much would be freed"), json: json() },
  run: async ({ dryRun, json: asJson }, ctx) => {
    const client = await ctx.client();
    const { bytes, blobs, directory } = await client.call(
      "image.prune_cache",
      { dryRun },
      { signal: ctx.signal },
    );
    printResult(
      ctx,
      asJson,
      { dryRun, bytes, blobs, directory },
      `${dryRun ? "would free" : "freed"} ${formatBytes(bytes)} across ${blobs} blob(s) in ${directory}`,
    );
    return undefined;
  },
});
