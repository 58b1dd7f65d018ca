/** banger kernel list */
import { formatBytes } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { json, toggle } from "../flags.ts";
import { printJson, renderTable } from "../output/table.ts";
import { ago } from "../output/when.ts";
import { shortId } from "../vm/list.ts";

export const command = defineCommand({
  summary: "list kernels",
  examples: [
    { command: "kernel list", note: "those in the store" },
    { command: "kernel list --available", note: "and those that could be fetched" },
  ],
  args: {},
  flags: {
    available: toggle("also list what the catalog offers", "a"),
    quiet: toggle("print only names", "q"),
    json: json(),
  },
  run: async ({ available, quiet, json }, ctx) => {
    const client = await ctx.client();
    const kernels = await client.call("kernel.list", { available }, { signal: ctx.signal });
    if (json) printJson(ctx, kernels);
    else if (quiet) for (const kernel of kernels) ctx.out(kernel.name);
    else {
      const rows = kernels.map((kernel) => [
        kernel.name,
        kernel.present ? shortId(kernel.id) : "-",
        kernel.present ? "present" : "available",
        kernel.version,
        kernel.sizeBytes === null ? "-" : formatBytes(kernel.sizeBytes),
        kernel.createdAt === null ? "-" : ago(kernel.createdAt, ctx.today()),
        kernel.description,
      ]);
      ctx.out(renderTable(["NAME", "ID", "STATE", "VERSION", "SIZE", "CREATED", "DESCRIPTION"], rows));
    }
    return undefined;
  },
});
