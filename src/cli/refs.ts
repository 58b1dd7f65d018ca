/** Several VMs at once: resolved against one snapshot, then called concurrently, reported in the order given. */
import { BangerError, toBangerError } from "../base/base.ts";
import type { LifecycleEvent, Vm } from "../rpc/contract.ts";
import { Quiet } from "./command.ts";
import type { Context, Daemon } from "./context.ts";
import { errorLines, fromWire } from "./output/errors.ts";
import { startProgress } from "./output/progress.ts";

interface ForEachVm {
  refs: readonly string[];
  /** One VM's call. */
  call(
    client: Daemon,
    vm: Vm,
    options: { signal: AbortSignal; onEvent: (event: LifecycleEvent) => void },
  ): Promise<unknown>;
  /** The line for a VM that went well. */
  done(vm: Vm): string;
}

/**
 * Runs `call` for every VM that can be resolved; those that cannot be do not stop the others. Prints a line per VM on
 * stdout and an error per failure on stderr. Throws Quiet(1) when anything failed.
 */
export async function forEachVm(ctx: Context, { refs, call, done }: ForEachVm): Promise<void> {
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
        await call(client, vm, { signal: ctx.signal, onEvent });
        return { line: done(vm) };
      } catch (error) {
        return { error: toBangerError(error) };
      }
    }),
  );
  progress.end();
  for (const outcome of outcomes) {
    if (outcome.error === undefined) ctx.out(outcome.line);
  }
  const failures = outcomes.flatMap(({ error }) => (error === undefined ? [] : [error]));
  const interrupted = ctx.signal.aborted && failures.some(({ code }) => code === "cancelled");
  for (const failure of failures) {
    if (failure.code === "cancelled" && interrupted) continue;
    for (const line of errorLines(failure, ctx)) ctx.err(line);
  }
  if (interrupted) throw new BangerError("cancelled", "cancelled");
  if (failures.length > 0) throw new Quiet(1);
}
