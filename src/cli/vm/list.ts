/** banger vm list, banger ps */
import { formatBytes } from "../../base/base.ts";
import type { Vm } from "../../rpc/contract.ts";
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { json, toggle, watchFlag } from "../flags.ts";
import { hintOf } from "../output/hint.ts";
import { jsonLine, printJson, renderTableFor } from "../output/table.ts";
import { watchText } from "../output/watching.ts";
import { ago } from "../output/when.ts";

export const command = defineCommand({
  summary: "list VMs",
  details:
    "STATE is asleep for a VM that was suspended because nobody used it (auto_suspend_after in config.toml): the next exec, ssh or connection lets it go on. On a terminal that is too narrow columns are left out; --json has everything.",
  examples: [
    { command: "vm list", note: "all VMs, running or not" },
    { command: "vm list --watch", note: "and again, until Ctrl-C" },
    { command: "vm list --json", note: "everything about them, for programs" },
    { command: "vm delete $(banger vm list -q)", note: "delete them all" },
  ],
  args: {},
  flags: { quiet: toggle("print only ids", "q"), watch: watchFlag(), json: json() },
  run: async (input, ctx) => {
    const client = await ctx.client();
    const list = () => client.call("vm.list", {}, { signal: ctx.signal });
    if (input.watch) {
      await watchText(ctx, async () => {
        const vms = await list();
        if (input.json) return jsonLine(vms);
        return input.quiet ? vms.map(({ id }) => id).join("\n") : vmTable(vms, ctx);
      });
      return undefined;
    }
    const vms = await list();
    if (input.json) printJson(ctx, vms);
    else if (input.quiet) for (const vm of vms) ctx.out(vm.id);
    else ctx.out(vmTable(vms, ctx));
    if (vms.length === 0 && !input.json && !input.quiet) hintOf(ctx, "no VM yet: banger vm run");
    if (!input.json) for (const vm of vms) warnOfLayer(vm, ctx);
    return undefined;
  },
});

const nearlyFull = 0.9;

/** A layer that runs full takes the whole disk with it: said before it happens. */
function warnOfLayer({ name, layer }: Vm, ctx: Pick<Context, "err">): void {
  if (layer === null || (!layer.overflowed && layer.usedBytes < layer.totalBytes * nearlyFull)) return;
  const how = layer.overflowed
    ? "has run full and is lost"
    : `is nearly full: ${formatBytes(layer.usedBytes)} of ${formatBytes(layer.totalBytes)}`;
  ctx.err(`the system disk of VM ${name} ${how}; /root is on a disk of its own`);
}

/** In the order in which they go from a terminal that is too narrow. */
const expendable = ["WORKSPACE", "VCPU", "DISK", "IP", "MEM", "IMAGE", "CREATED"];

export function vmTable(vms: readonly Vm[], ctx: Pick<Context, "tty" | "today">): string {
  const header = ["ID", "NAME", "STATE", "IMAGE", "IP", "VCPU", "MEM", "DISK", "WORKSPACE", "CREATED"];
  const rows = vms.map((vm) => [
    vm.id.slice(0, 8),
    vm.name,
    vm.asleep ? "asleep" : vm.state,
    imageWord(vm.image),
    vm.ip ?? "-",
    String(vm.spec.vcpu),
    `${vm.spec.memoryMiB} MiB`,
    formatBytes(vm.spec.diskBytes),
    vm.workspace?.hostPath ?? "-",
    ago(vm.createdAt, ctx.today()),
  ]);
  return renderTableFor(ctx, header, rows, expendable);
}

/** Its name, or of one that has none any more the beginning of its id. */
export function imageWord({ id, name }: Vm["image"]): string {
  return name === "" ? shortId(id) : name;
}

/** The first 12 digits of a digest. */
export function shortId(digest: string): string {
  return digest.replace(/^sha256:/, "").slice(0, 12);
}
