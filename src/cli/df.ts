/** banger df */
import { formatBytes } from "../base/base.ts";
import type { DiskUsage } from "../rpc/contract.ts";
import { defineCommand } from "./command.ts";
import { json } from "./flags.ts";
import { printJson, renderTableFor } from "./output/table.ts";

type What = DiskUsage["parts"][number]["what"];

const names: Readonly<Record<What, string>> = {
  vm: "VMs",
  saved: "saved states",
  image: "images",
  kernel: "kernels",
  template: "templates",
  cache: "image cache",
};

export const command = defineCommand({
  summary: "show what banger takes of this machine's disk",
  details:
    "Sizes are what is allocated: the holes of a disk take nothing. Not needed are VMs that do not run, and images and kernels that no other VM has and that are not the default; they go with: banger prune.",
  examples: [{ command: "df", note: "VMs, images and the rest, with their sizes" }],
  args: {},
  flags: { json: json() },
  run: async (how, ctx) => {
    const client = await ctx.client();
    const usage = await client.call("disk.usage", {}, { signal: ctx.signal });
    if (how.json) {
      printJson(ctx, usage);
      return undefined;
    }
    const unneeded = usage.parts.map(({ unused }) => sum(unused));
    const rows = usage.parts.map(({ what, count, bytes }, index) => [
      ...[names[what], String(count), orNone(bytes), orNone(unneeded[index])],
    ]);
    const total = ["total", "", formatBytes(sum(usage.parts)), orNone(unneeded.reduce((a, b) => a + b, 0))];
    ctx.out(renderTableFor(ctx, ["WHAT", "COUNT", "SIZE", "NOT NEEDED"], [...rows, total]));
    ctx.out(`free on that disk: ${formatBytes(usage.freeBytes)}`);
    return undefined;
  },
});

function sum(sized: readonly { bytes: number }[]): number {
  return sized.reduce((total, { bytes }) => total + bytes, 0);
}

function orNone(bytes = 0): string {
  return bytes === 0 ? "-" : formatBytes(bytes);
}
