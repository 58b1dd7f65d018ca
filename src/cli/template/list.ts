/** banger template list */
import { formatBytes } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { json } from "../flags.ts";
import { printJson, renderTableFor } from "../output/table.ts";
import { ago } from "../output/when.ts";
import { imageWord } from "../vm/list.ts";

export const command = defineCommand({
  summary: "list the templates that new VMs go on from, instead of booting",
  examples: [{ command: "template list", note: "which there are, and what they take" }],
  args: {},
  flags: { json: json() },
  run: async (how, ctx) => {
    const client = await ctx.client();
    const { templates, coming } = await client.call("template.list", {}, { signal: ctx.signal });
    if (how.json) {
      printJson(ctx, templates);
      return undefined;
    }
    const rows = templates.map((template) => [
      template.key.slice(0, 8),
      imageWord(template.image),
      String(template.vcpu),
      `${template.memoryMiB} MiB`,
      formatBytes(template.sizeBytes),
      ago(template.createdAt, ctx.today()),
      ago(template.lastUsedAt, ctx.today()),
      template.waiting ? "1" : "-",
    ]);
    const header = ["TEMPLATE", "IMAGE", "VCPU", "MEMORY", "SIZE", "CREATED", "USED", "WAITING"];
    ctx.out(renderTableFor(ctx, header, rows, ["CREATED", "VCPU", "WAITING", "USED"]));
    if (coming > 0)
      ctx.note(`${coming === 1 ? "one more is" : `${coming} more are`} made while nothing is started`);
    return undefined;
  },
});
