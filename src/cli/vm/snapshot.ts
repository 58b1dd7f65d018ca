/** banger vm snapshot */
import { BangerError, formatBytes } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { json, readRef } from "../flags.ts";
import { listing, matching, oneOf, optional, required } from "../option.ts";
import { startProgress } from "../output/progress.ts";
import { printJson, printResult, renderTableFor } from "../output/table.ts";
import { ago } from "../output/when.ts";

const actions = ["create", "list", "restore", "delete"] as const;

const aliases: Readonly<Record<string, string>> = { ls: "list", rm: "delete" };

interface Asked {
  vm: string;
  name: string;
}

export const command = defineCommand({
  summary: "keep what a VM is, memory and disks, and go back to it",
  details:
    "create keeps a running VM as it is, and lets it run on (in system mode commands of vm exec, shells and vm ssh end then); list shows what was kept, of one VM or of all; restore makes the VM what it was then, and starts it: what it has become since is lost; delete removes a snapshot. A VM's snapshots go with it.",
  examples: [
    { command: "vm snapshot create calm-otter before", note: "keep it under a name" },
    { command: "vm snapshot restore calm-otter before", note: "go back" },
    { command: "vm snapshot list", note: "what there is" },
    { command: "vm snapshot delete calm-otter before", note: "remove it" },
  ],
  args: {
    action: required(
      { description: "create, list, restore or delete (ls and rm mean list and delete)" },
      listing(actions, (given) =>
        oneOf(actions, `must be one of ${actions.join(", ")}`)(aliases[given] ?? given),
      ),
    ),
    vm: optional(
      { description: "name, id or beginning of the id; list can do without", completes: "vm" },
      readRef,
    ),
    name: optional(
      { description: "name of the snapshot (create: default s1, s2 and so on)", completes: "snapshot" },
      matching(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, "must be letters, digits, '.', '_' and '-', 63 at most"),
    ),
  },
  flags: { json: json() },
  interrupted: "see what is there: banger vm snapshot list",
  run: async ({ action, vm, name, json: asJson }, ctx) => {
    const asked = (): Asked => {
      if (vm !== undefined && name !== undefined) return { vm, name };
      const what = vm === undefined ? "a VM" : "the snapshot's name";
      throw new BangerError("bad_request", `vm snapshot ${action}: ${what} is missing`, {
        hint: `banger vm snapshot ${action} VM NAME`,
      });
    };
    if (action === "list") {
      if (name !== undefined)
        throw new BangerError("bad_request", `vm snapshot list: unexpected ${JSON.stringify(name)}`);
      await list(ctx, vm, asJson);
    }
    if (action === "create") await create(ctx, vm === undefined ? asked().vm : vm, name, asJson);
    else if (action === "restore") await restore(ctx, asked(), asJson);
    else if (action === "delete") await remove(ctx, asked(), asJson);
    return undefined;
  },
});

async function create(ctx: Context, vm: string, name: string | undefined, asJson: boolean): Promise<void> {
  const client = await ctx.client();
  const progress = startProgress(ctx);
  try {
    const params = { ref: vm, ...(name === undefined ? {} : { name }) };
    const made = await client.call("snapshot.create", params, {
      signal: ctx.signal,
      onEvent: (event) => progress.event(event),
    });
    progress.end("kept");
    if (made.haltedMs > 0) ctx.note(`${made.vm.name} stood still for ${(made.haltedMs / 1000).toFixed(2)} s`);
    printResult(ctx, asJson, made, made.name);
  } finally {
    progress.end();
  }
}

async function list(ctx: Context, vm: string | undefined, asJson: boolean): Promise<void> {
  const client = await ctx.client();
  const found = await client.call("snapshot.list", vm === undefined ? {} : { ref: vm }, {
    signal: ctx.signal,
  });
  if (asJson) return printJson(ctx, found);
  const rows = found.map((each) => [
    each.name,
    each.vm.name,
    formatBytes(each.sizeBytes),
    ago(each.createdAt, ctx.today()),
  ]);
  ctx.out(renderTableFor(ctx, ["SNAPSHOT", "VM", "SIZE", "CREATED"], rows));
}

async function restore(ctx: Context, { vm, name }: Asked, asJson: boolean): Promise<void> {
  const client = await ctx.client();
  const progress = startProgress(ctx);
  try {
    const restored = await client.call(
      "snapshot.restore",
      { ref: vm, name },
      { signal: ctx.signal, onEvent: (event) => progress.event(event) },
    );
    progress.end("ready");
    printResult(ctx, asJson, restored, restored.name);
  } finally {
    progress.end();
  }
}

async function remove(ctx: Context, { vm, name }: Asked, asJson: boolean): Promise<void> {
  const client = await ctx.client();
  await client.call("snapshot.delete", { ref: vm, name }, { signal: ctx.signal });
  printResult(ctx, asJson, { vm, name }, name);
}
