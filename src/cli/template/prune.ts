/** banger template prune */
import { formatBytes } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { json } from "../flags.ts";
import { printJson } from "../output/table.ts";

export const command = defineCommand({
  summary: "remove all templates",
  details:
    "Nothing of a VM's is in them. VMs that run keep what they share of one until they end; the next new VM boots, and a template is made again, as is one that is being made right now. To do without for good: [warm] mode in config.toml.",
  examples: [{ command: "template prune", note: "get their space back" }],
  args: {},
  flags: { json: json() },
  run: async ({ json: asJson }, ctx) => {
    const client = await ctx.client();
    const { removed, bytes } = await client.call("template.prune", {}, { signal: ctx.signal });
    if (asJson) printJson(ctx, { removed, bytes });
    if (removed === 0) ctx.note("nothing to prune: there is no template");
    else ctx.note(`${removed === 1 ? "a template" : `${removed} templates`} removed: ${formatBytes(bytes)}`);
    return undefined;
  },
});
