/** banger image list */
import { formatBytes } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { json, toggle } from "../flags.ts";
import { printJson, renderTable } from "../output/table.ts";
import { ago } from "../output/when.ts";
import { shortId } from "../vm/list.ts";

export const command = defineCommand({
  summary: "list images",
  examples: [
    { command: "image list", note: "those in the store" },
    { command: "image list --available", note: "and those that could be built or fetched" },
  ],
  args: {},
  flags: {
    available: toggle("also list what the catalog offers", "a"),
    quiet: toggle("print only names", "q"),
    json: json(),
  },
  run: async ({ available, quiet, json }, ctx) => {
    const client = await ctx.client();
    const images = await client.call("image.list", { available }, { signal: ctx.signal });
    if (json) printJson(ctx, images);
    else if (quiet) for (const image of images) ctx.out(image.name);
    else {
      const rows = images.map((image) => [
        image.name,
        image.present ? shortId(image.id) : "-",
        image.present ? "present" : "available",
        image.kernel,
        image.sizeBytes === null ? "-" : formatBytes(image.sizeBytes),
        image.createdAt === null ? "-" : ago(image.createdAt, ctx.today()),
        image.description,
      ]);
      ctx.out(renderTable(["NAME", "ID", "STATE", "KERNEL", "SIZE", "CREATED", "DESCRIPTION"], rows));
    }
    return undefined;
  },
});
