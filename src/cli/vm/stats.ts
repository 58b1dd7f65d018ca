/** banger vm stats */
import type { VmStats } from "../../rpc/contract.ts";
import { defineCommand } from "../command.ts";
import type { Context, Daemon } from "../context.ts";
import { json, someVms, watchFlag } from "../flags.ts";
import { Rates, statsCells, statsExpendable, statsHeader } from "../output/stats-cells.ts";
import { jsonLine, printJson, renderTableFor } from "../output/table.ts";
import { pause, watchText } from "../output/watching.ts";

/** Between the two looks that a rate takes, in ms. */
const betweenMs = 500;

export const command = defineCommand({
  summary: "show what VMs take: processor, memory, disk, network",
  details:
    "CPU is what the machine takes of one of the host's processors at present (200% are two of them), MEM what it has of the host's memory for itself, without pages of saved memory, which the host drops when it needs the room; GUEST MEM and LOAD are what the guest says of itself. DISK is what its two disks take of the host's, of how large they are. Network is counted where VMs have an address. Looking is not using: no VM is woken by it, or kept from being stopped.",
  examples: [
    { command: "vm stats", note: "all VMs that run" },
    { command: "vm stats --watch", note: "the same, again and again, until Ctrl-C" },
    { command: "vm stats calm-otter --json", note: "everything that is known, for programs" },
  ],
  args: { vms: someVms("all that run") },
  flags: { watch: watchFlag(), json: json() },
  run: async ({ vms, watch, json: asJson }, ctx) => {
    const client = await ctx.client();
    const rates = new Rates();
    rates.take(await look(client, vms, { guest: false }, ctx));
    await pause(ctx, betweenMs, ctx.signal);
    const next = async () => {
      const stats = await look(client, vms, { guest: true }, ctx);
      const percents = rates.take(stats);
      return stats.map((each) => ({ ...each, cpuPercent: percents.get(each.vm.id) ?? null }));
    };
    if (watch) await watchText(ctx, async () => shown(await next(), ctx, asJson));
    else if (asJson) printJson(ctx, await next());
    else ctx.out(shown(await next(), ctx, false));
    return undefined;
  },
});

type Rated = VmStats & { cpuPercent: number | null };

/** Of those that are named, or of all that have a machine. */
async function look(
  client: Daemon,
  refs: string[],
  { guest }: { guest: boolean },
  { signal }: Pick<Context, "signal">,
): Promise<VmStats[]> {
  const stats = await client.call("vm.stats", { refs, guest }, { signal });
  return refs.length > 0 ? stats : stats.filter(({ host }) => host !== null);
}

function shown(stats: readonly Rated[], ctx: Pick<Context, "tty">, asJson: boolean): string {
  if (asJson) return jsonLine(stats);
  if (stats.length === 0) return "no VM runs";
  const rows = stats.map((each) => [
    each.vm.name,
    each.vm.asleep ? "asleep" : each.vm.state,
    ...statsCells(each, each.cpuPercent ?? undefined),
  ]);
  return renderTableFor(ctx, ["NAME", "STATE", ...statsHeader], rows, [...statsExpendable, "STATE"]);
}
