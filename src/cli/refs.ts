/** Several VMs at once: resolved against one snapshot, then called concurrently, reported in the order given. */
import { BangerError, toBangerError } from "../base/base.ts";
import type { LifecycleEvent, Vm } from "../rpc/contract.ts";
import { Quiet } from "./command.ts";
import type { Context, Daemon } from "./context.ts";
import { errorLines, fromWire } from "./output/errors.ts";
import { startProgress } from "./output/progress.ts";
import { printResult } from "./output/table.ts";

interface ForEachVm<R> {
  refs: readonly string[];
  /** One array of records for all that went well, instead of lines. */
  json: boolean;
  /** One VM's call. */
  call(
    client: Daemon,
    vm: Vm,
    options: { signal: AbortSignal; onEvent: (event: LifecycleEvent) => void },
  ): Promise<R>;
  /** The line for a VM that went well. */
  done(vm: Vm, result: R): string;
}

/**
 * Runs `call` for every VM that can be resolved; those that cannot be do not stop the others. Prints a line per VM on
 * stdout and an error per failure on stderr. Throws Quiet(1) when anything failed.
 */
export async function forEachVm<R>(ctx: Context, { refs, json, call, done }: ForEachVm<R>): Promise<void> {
  const client = await ctx.client();
  const resolved = await client.call("vm.resolve", { refs: [...refs] }, { signal: ctx.signal });
  const progress = startProgress(ctx);
  const several = resolved.length > 1;
  const outcomes = await Promise.all(
    resolved.map(async (entry) => {
      if ("error" in entry) return { error: fromWire(entry.error) };
      const { vm } = entry;
      const onEvent = (event: LifecycleEvent) => progress.event(event, several ? vm.name : undefined);
      try {
        const result = await call(client, vm, { signal: ctx.signal, onEvent });
        return { line: done(vm, result), record: recordOf(vm, result) };
      } catch (error) {
        return { error: toBangerError(error) };
      }
    }),
  );
  progress.end();
  const well = outcomes.flatMap((outcome) => (outcome.error === undefined ? [outcome] : []));
  const records = well.map(({ record }) => record);
  printResult(ctx, json, records, ...well.map(({ line }) => line));
  const failures = outcomes.flatMap(({ error }) => (error === undefined ? [] : [error]));
  const interrupted = ctx.signal.aborted && failures.some(({ code }) => code === "cancelled");
  for (const failure of failures) {
    if (failure.code === "cancelled" && interrupted) continue;
    for (const line of errorLines(failure, ctx)) ctx.err(line);
  }
  if (interrupted) throw new BangerError("cancelled", "cancelled");
  if (failures.length > 0) throw new Quiet(1);
}

/** What the VM has become; else which it is, and what there is to say of it. */
function recordOf({ id, name }: Vm, result: unknown): unknown {
  if (typeof result !== "object" || result === null) return { id, name };
  return "id" in result ? result : { id, name, ...result };
}
