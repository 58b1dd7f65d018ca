/** banger vm ports */
import { toBangerError } from "../../base/base.ts";
import type { Vm } from "../../rpc/contract.ts";
import { defineCommand, Quiet } from "../command.ts";
import type { Context } from "../context.ts";
import { json, manyVms } from "../flags.ts";
import { errorLines, fromWire } from "../output/errors.ts";
import { printJson, renderTableFor } from "../output/table.ts";
import { type Listener, listenersOf } from "./listeners.ts";

export const command = defineCommand({
  summary: "list what listens in running VMs",
  details:
    "ADDRESS is the guest's own: * is every one of its addresses, and what listens on loopback (127.0.0.1, ::1) is reached by `banger vm port-forward`. A link is a guess by the port's number.",
  examples: [
    { command: "vm ports calm-otter", note: "ports, programs, and links to open" },
    { command: "vm ports calm-otter --json", note: "for programs" },
  ],
  args: { vms: manyVms() },
  flags: { json: json() },
  run: async ({ vms, json: asJson }, ctx) => {
    const client = await ctx.client();
    const resolved = await client.call("vm.resolve", { refs: vms }, { signal: ctx.signal });
    const outcomes = await Promise.all(
      resolved.map(async (entry) => {
        if ("error" in entry) return { error: fromWire(entry.error) };
        const { vm } = entry;
        try {
          const ports = await client.call("vm.ports", { ref: vm.id }, { signal: ctx.signal });
          return { vm, listeners: listenersOf(vm.name, ports) };
        } catch (error) {
          return { error: toBangerError(error) };
        }
      }),
    );
    const found = outcomes.flatMap(({ vm, listeners }) => (vm === undefined ? [] : [{ vm, listeners }]));
    if (asJson) printJson(ctx, found.flatMap(asRecords));
    else show(ctx, found);
    const failures = outcomes.flatMap(({ error }) => (error === undefined ? [] : [error]));
    for (const failure of failures) for (const line of errorLines(failure, ctx)) ctx.err(line);
    if (failures.length > 0) throw new Quiet(1);
    return undefined;
  },
});

interface Found {
  vm: Vm;
  listeners: Listener[];
}

function asRecords({ vm, listeners }: Found) {
  return listeners.map((listener) => ({ vm: { id: vm.id, name: vm.name }, ...listener }));
}

function show(ctx: Context, found: readonly Found[]): void {
  const rows = found.flatMap(({ listeners }) =>
    listeners.map(({ endpoint, protocol, addresses, process, link }) => [
      endpoint,
      protocol,
      addresses.join(","),
      process === "" ? "-" : process,
      link ?? "-",
    ]),
  );
  if (rows.length > 0)
    ctx.out(renderTableFor(ctx, ["ENDPOINT", "PROTOCOL", "ADDRESS", "PROCESS", "LINK"], rows, ["PROTOCOL"]));
  for (const { vm, listeners } of found)
    if (listeners.length === 0) ctx.err(`nothing listens in VM ${vm.name}`);
}
