/** A step list gone through on a VM: journalled, logged, and told of to those who follow what happens. */
import type { VmId } from "../base/base.ts";
import { runSteps, type StepList } from "../pipeline/pipeline.ts";
import type { CallOptions } from "./call-options.ts";
import type { VmContext, VmDeps } from "./deps.ts";
import { telling } from "./tell.ts";

export async function runList<Init extends object, Acc extends object>(
  deps: VmDeps,
  list: StepList<VmContext, Init, Acc>,
  run: { id: VmId; input: Init },
  options: CallOptions,
): Promise<Acc> {
  const { id, input } = run;
  const told = telling(deps, list.name, id, input);
  try {
    const made = await runSteps(list, { id, deps, warn: options.warn }, input, {
      journal: deps.state.journal,
      signal: options.signal,
      observe: (event) => {
        deps.log.debug("step", { vm: id, list: list.name, ...event });
        options.observe?.(event);
      },
      failpoint: deps.failpoint,
    });
    told.done();
    return made;
  } catch (error) {
    told.failed(error);
    throw error;
  }
}
