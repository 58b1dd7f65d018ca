/** What is done to VMs that run, as calls: each under the VM's lock, by step lists. */
import { BangerError, type VmId } from "../../base/base.ts";
import type { StepList } from "../../pipeline/pipeline.ts";
import type { VmRecord } from "../../state/state.ts";
import type { CallOptions } from "../call-options.ts";
import type { VmContext, VmDeps } from "../deps.ts";
import { getVm } from "../rows.ts";
import { transition } from "../states.ts";
import { needDriver, pauseSteps, resumeSteps } from "../steps/pause.ts";
import { suspendedSteps, suspendSteps } from "../steps/suspend.ts";
import type { IdleWork } from "../warm/idle-work.ts";
import { type Cost, costOf } from "./cost.ts";
import { checkRuns, type ForkRequest, type Forks, forkVm } from "./fork.ts";
import { syncGuest } from "./guest-command.ts";
import { sweepCheckpoints } from "./needed-checkpoints.ts";
import {
  createSnapshot,
  deleteSnapshot,
  listSnapshots,
  restoreSnapshot,
  type Snapshot,
} from "./snapshots.ts";
import { StatsTaker, type VmSample } from "./stats.ts";
import { fromSuspend, type SuspendedBy } from "./suspended.ts";

/** What the service lends: its locks and its way of running lists. */
export interface Lent {
  deps: VmDeps;
  locked<T>(id: VmId, body: (vm: VmRecord, finished: string[]) => Promise<T>): Promise<T>;
  run<Init extends object, Acc extends object>(
    list: StepList<VmContext, Init, Acc>,
    id: VmId,
    input: Init,
    options: CallOptions,
  ): Promise<Acc>;
  start(id: VmId, options: CallOptions): Promise<VmRecord>;
  delete(id: VmId, options: CallOptions): Promise<void>;
  /** Gives way to real work. */
  idle: Pick<IdleWork, "beside">;
}

export class LiveService {
  readonly #stats: StatsTaker;

  constructor(private readonly lent: Lent) {
    this.#stats = new StatsTaker(lent.deps);
  }

  /** Halts its processors. Everything else of it stays. */
  pause(id: VmId, options: CallOptions): Promise<VmRecord> {
    const { deps, locked, run } = this.lent;
    return locked(id, async (vm) => {
      needDriver(deps, "pause", "paused");
      transition(vm, "pause");
      await run(pauseSteps, id, { id }, options);
      return getVm(deps.state, id);
    });
  }

  /** Saves its memory and ends its machine; its next start goes on from there. */
  async suspend(id: VmId, options: CallOptions, by: SuspendedBy = fromSuspend): Promise<VmRecord> {
    const { deps, locked, run } = this.lent;
    const checkpoint = deps.checkpoints.newId();
    try {
      return await locked(id, async (vm, finished) => {
        if (finished.includes(suspendedSteps.name) && vm.state === "suspended") return vm;
        needDriver(deps, "checkpoint", "suspended");
        transition(vm, "suspend");
        await checkRuns(deps, vm, "suspended", 0);
        // One that is paused cannot do it.
        if (vm.state === "running") await syncGuest(deps, id, options.signal);
        await run(suspendSteps, id, { id, checkpoint, by }, options);
        const why = `VM ${vm.name} was suspended: what was open to it has ended`;
        deps.runtimes.hangUp(id, new BangerError("guest_failed", why));
        await run(suspendedSteps, id, { id }, { ...options, signal: new AbortController().signal });
        return getVm(deps.state, id);
      });
    } finally {
      const vm = deps.state.vms.get(id);
      if (vm !== undefined) deps.runtimes.regain(vm);
      deps.checkpoints.release(checkpoint);
      await sweepCheckpoints(deps);
    }
  }

  /** Ends what is left of a machine whose VM is suspended: the daemon that was to do it has been killed. */
  async settleSuspended(id: VmId): Promise<void> {
    await this.lent.run(suspendedSteps, id, { id }, { signal: new AbortController().signal });
  }

  cost(vm: VmRecord): Promise<Cost> {
    return costOf(this.lent.deps, vm);
  }

  /** What it takes at this moment; of its guest, too, if that is asked. */
  stats(vm: VmRecord, of: { guest: boolean }): Promise<VmSample> {
    return this.#stats.take(vm, of);
  }

  snapshots(of?: VmId): Promise<Snapshot[]> {
    return listSnapshots(this.lent.deps, of);
  }

  snapshot(
    id: VmId,
    name: string | undefined,
    options: CallOptions,
  ): Promise<Snapshot & { haltedMs: number }> {
    return this.lent.idle.beside(() => createSnapshot(this.lent, id, name, options));
  }

  restore(id: VmId, name: string, options: CallOptions): Promise<VmRecord> {
    return this.lent.idle.beside(() => restoreSnapshot(this.lent, id, name, options));
  }

  removeSnapshot(id: VmId, name: string): Promise<void> {
    return deleteSnapshot(this.lent, id, name);
  }

  /** Copies of it that run, as it does. */
  fork(id: VmId, request: ForkRequest, options: CallOptions): Promise<Forks> {
    return this.lent.idle.beside(() => forkVm(this.lent, id, request, options));
  }

  /** Lets a paused VM go on, with the right time. */
  resume(id: VmId, options: CallOptions): Promise<VmRecord> {
    const { deps, locked, run } = this.lent;
    return locked(id, async (vm, finished) => {
      needDriver(deps, "resume", "resumed");
      if (finished.includes(resumeSteps.name) && vm.state === "running") return vm;
      transition(vm, "resume");
      await run(resumeSteps, id, { id }, options);
      return getVm(deps.state, id);
    });
  }
}
