/** banger prune */
import { formatBytes, toBangerError } from "../base/base.ts";
import type { DiskUsage } from "../rpc/contract.ts";
import { defineCommand, Quiet } from "./command.ts";
import { confirm } from "./confirm.ts";
import type { Context, Daemon } from "./context.ts";
import { json, toggle } from "./flags.ts";
import { errorLines } from "./output/errors.ts";
import { printJson, printResult, renderTableFor } from "./output/table.ts";
import { unknownWork } from "./workspace/unpulled.ts";

type What = DiskUsage["parts"][number]["what"];
interface Item {
  what: What;
  id: string;
  name: string;
  bytes: number;
}

export const command = defineCommand({
  summary: "remove VMs that do not run, and what no other VM needs",
  details:
    "VMs that do not run, images and kernels that no other VM has, and what is kept of container images for the next pull. Shows what would go, with its size, and asks first, unless --yes is given. The default image stays, and so does what you have made or brought yourself: images saved, built, registered or imported from files, imported kernels, and so do VMs that run, are paused or suspended, with all that they need. Snapshots go with their VM; templates: banger template prune.",
  examples: [
    { command: "prune", note: "look, then decide" },
    { command: "prune --dry-run", note: "only look" },
  ],
  args: {},
  flags: { yes: toggle("do not ask", "y"), dryRun: toggle("only show what would go"), json: json() },
  run: async ({ yes, dryRun, json: asJson }, ctx) => {
    const client = await ctx.client();
    const { parts } = await client.call("disk.usage", {}, { signal: ctx.signal });
    const items = parts.flatMap(({ what, unused }) => unused.map((item): Item => ({ what, ...item })));
    if (items.length === 0) {
      ctx.note("nothing to prune: all that is there is needed");
      if (asJson) printJson(ctx, []);
      return undefined;
    }
    if (dryRun) {
      printResult(ctx, asJson, items, table(ctx, items));
      return undefined;
    }
    if (!yes) {
      ctx.err(table(ctx, items));
      await warnOfWork(ctx, client, items);
      if (!(await agreed(ctx))) {
        ctx.note("nothing removed");
        return undefined;
      }
    }
    await removeAll(client, items, ctx, asJson);
    return undefined;
  },
});

/** Whoever interrupts the question has not agreed, and hears that nothing has gone. */
async function agreed(ctx: Context): Promise<boolean> {
  try {
    return await confirm(ctx, "remove all of this?", "remove it without a question: banger prune --yes");
  } catch (error) {
    if (ctx.signal.aborted) ctx.err("interrupted: nothing is removed");
    throw error;
  }
}

/** What nobody will bring home any more. */
async function warnOfWork(ctx: Context, client: Daemon, items: readonly Item[]): Promise<void> {
  const going = new Set(items.flatMap(({ what, id }) => (what === "vm" ? [id] : [])));
  if (going.size === 0 || !ctx.tty.stdin) return;
  const vms = await client.call("vm.list", {}, { signal: ctx.signal });
  for (const vm of vms) {
    const line = going.has(vm.id) ? unknownWork(vm) : undefined;
    if (line !== undefined) ctx.err(line);
  }
}

function table(ctx: Pick<Context, "tty">, items: readonly Item[]): string {
  const total = bytesOf(items);
  const rows = items.map(({ what, name, bytes }) => [what, name, formatBytes(bytes)]);
  return renderTableFor(ctx, ["WHAT", "NAME", "SIZE"], [...rows, ["total", "", formatBytes(total)]]);
}

function bytesOf(items: readonly Item[]): number {
  return items.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** One after the other: an image can go when its VMs have gone. Throws Quiet(1) when any could not be removed. */
async function removeAll(
  client: Daemon,
  items: readonly Item[],
  ctx: Context,
  asJson: boolean,
): Promise<void> {
  const gone: Item[] = [];
  let failed = false;
  for (const item of items) {
    try {
      await remove(client, item, ctx.signal);
      gone.push(item);
      if (!asJson) ctx.out(`${item.what} ${item.name}`);
    } catch (error) {
      const known = toBangerError(error);
      if (known.code === "cancelled") {
        ctx.err(`interrupted: freed ${formatBytes(bytesOf(gone))}; what is not named above as removed stays`);
        throw error;
      }
      failed = true;
      for (const line of errorLines(known, ctx)) ctx.err(line);
    }
  }
  if (asJson) printJson(ctx, gone);
  ctx.note(`freed ${formatBytes(bytesOf(gone))}`);
  if (failed) throw new Quiet(1);
}

function remove(client: Daemon, { what, id }: Item, signal: AbortSignal): Promise<unknown> {
  if (what === "vm") return client.call("vm.delete", { ref: id, idle: true }, { signal });
  if (what === "image") return client.call("image.delete", { ref: id }, { signal });
  if (what === "kernel") return client.call("kernel.remove", { ref: id }, { signal });
  return client.call("image.prune_cache", { dryRun: false }, { signal });
}
