/** banger image save */
import { defineCommand } from "../command.ts";
import { json, oneVm, readArtifactName } from "../flags.ts";
import { required } from "../option.ts";
import { startProgress } from "../output/progress.ts";
import { printResult } from "../output/table.ts";

export const command = defineCommand({
  summary: "make an image of a stopped VM's disks",
  details:
    "What was installed in the VM, and all that is in its /root, a workspace too, is what VMs of the image begin with; their names, keys and addresses are their own. The VM must have been stopped, and is left as it is. Keys and tokens that you put into it are in the image.",
  examples: [{ command: "image save dev dev-tools", note: "then: banger vm run --image dev-tools" }],
  args: {
    vm: oneVm(),
    name: required({ value: "name", description: "the image's name in the store" }, readArtifactName),
  },
  flags: { json: json() },
  interrupted: "no image is made, and nothing half-made is left",
  run: async ({ vm, name, json: asJson }, ctx) => {
    const client = await ctx.client();
    const progress = startProgress(ctx);
    try {
      const image = await client.call(
        "image.save",
        { vm, name },
        { signal: ctx.signal, onEvent: (event) => progress.event(event) },
      );
      progress.end(`${image.name} ready`);
      printResult(ctx, asJson, image, image.name);
    } finally {
      progress.end();
    }
    return undefined;
  },
});
