/** The life of VMs as calls: each takes a VM's lock, runs its step lists, and keeps the row true. */
import { BangerError, toBangerError, type VmId } from "../base/base.ts";
import type { JournalRun, StepList } from "../pipeline/pipeline.ts";
import type { VmRecord } from "../state/state.ts";
import type { CallOptions } from "./call-options.ts";
import { checkVcpus } from "./check-vcpus.ts";
import { createVm } from "./create-vm.ts";
import type { VmContext, VmDeps } from "./deps.ts";
import { LeavingVms } from "./leaving.ts";
import { IdleVms } from "./live/idle-vms.ts";
import { LiveService } from "./live/live.ts";
import { sweepCheckpoints } from "./live/needed-checkpoints.ts";
import { StaleVms } from "./live/stale-vms.ts";
import { fromIdleness } from "./live/suspended.ts";
import { Touches } from "./live/touches.ts";
import { VmLocks } from "./locks.ts";
import type { NewVm } from "./new-vm.ts";
import { resolveRef } from "./refs.ts";
import { giveRoom, isDatabaseFull, isFull, withRoom } from "./room.ts";
import { getVm, updateVm } from "./rows.ts";
import { runList } from "./run-list.ts";
import { signalMachine } from "./signal-machine.ts";
import { isIdle, transition } from "./states.ts";
import { deleteSteps, type EndInput, type EndSteps, stopSteps } from "./steps/end.ts";
import { recoverRun } from "./steps/journalled.ts";
import { checkChange, type SpecChange, setSteps } from "./steps/set.ts";
import { startSteps } from "./steps/start.ts";
import { type WithDisks, withDisks } from "./stopped-disks.ts";
import { mayCancel } from "./warm/go-on.ts";
import { IdleWork } from "./warm/idle-work.ts";
import { Spares } from "./warm/spares.ts";
import { TemplateMaker } from "./warm/template-maker.ts";
import { goOnOrBoot } from "./warm/warm-start.ts";
import { watchMachine } from "./watch-machine.ts";

export class VmService {
  readonly #listeners: (() => void)[] = [];
  /** Starts under way: what ends a VM does not wait for its boot. */
  readonly #starting = new Map<VmId, AbortController>();
  /** What is done for the VMs that are still to come, while nobody waits. */
  readonly idle: IdleWork;
  readonly maker: TemplateMaker;
  readonly spares: Spares;
  /** What is done to VMs that run. */
  readonly live: LiveService;
  readonly idleVms: IdleVms;
  readonly touches: Touches;
  readonly staleVms: StaleVms;
  /** Who is found, and has its name, although its removal was answered. */
  readonly leaving: LeavingVms;
  /** The disks of a VM that has stopped, for who takes copies. */
  readonly withDisks: WithDisks;
  readonly #locks: VmLocks;

  constructor(private readonly deps: VmDeps) {
    this.#locks = new VmLocks(deps, (open) => this.recover(open));
    const locked = this.#locks.locked.bind(this.#locks);
    this.withDisks = withDisks(deps, locked);
    this.idle = new IdleWork(() => this.#changed());
    this.maker = new TemplateMaker(deps, this.idle);
    this.spares = new Spares(deps, this.idle);
    for (const source of [this.maker, this.spares]) this.idle.add(source);
    this.live = new LiveService({
      ...{ deps, locked, run: this.#run.bind(this), idle: this.idle },
      ...{ start: this.start.bind(this), delete: this.delete.bind(this) },
    });
    this.leaving = new LeavingVms(
      deps,
      (id) => this.idle.first(() => this.delete(id, { signal: new AbortController().signal })),
      () => this.#changed(),
    );
    this.touches = new Touches(deps.paths);
    this.staleVms = new StaleVms(deps, this.touches, { locked, end: this.#end.bind(this) });
    this.idleVms = new IdleVms(deps, {
      ...{ start: this.start.bind(this), touches: this.touches },
      suspend: (id) => this.live.suspend(id, { signal: new AbortController().signal }, fromIdleness),
    });
  }

  /** By name, id or id prefix, as find; one that sleeps because nobody used it goes on first. */
  async reach(ref: string, options: CallOptions): Promise<VmRecord> {
    const found = this.list().filter((vm) => vm.name === ref || vm.id.startsWith(ref));
    if (found.some(({ id }) => this.leaving.has(id))) await this.leaving.gone(options.signal);
    const vm = await this.idleVms.wake(this.find(ref), options);
    this.touches.touch(vm.id);
    return vm;
  }

  /** `listener` is called after every run of a step list: machines may have come or gone. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Ends what is done in advance. VMs run on. */
  async close(): Promise<void> {
    this.idleVms.close();
    this.staleVms.close();
    await this.idle.close();
    await this.spares.dismiss();
    await this.leaving.close();
  }

  list = (): VmRecord[] => this.deps.state.vms.list();
  /** By name, id or id prefix. Throws not_found or ambiguous. */
  find = (ref: string): VmRecord => resolveRef(ref, this.list());

  /** Makes the row and the files; `reserved` is called when the name is taken. Leaves nothing when it fails. */
  create(input: NewVm, options: CallOptions, reserved: (vm: VmRecord) => void): Promise<VmRecord> {
    return this.idle.beside(() =>
      createVm({ deps: this.deps, run: this.#run.bind(this), spares: this.spares }, input, options, reserved),
    );
  }

  /** Boots it. A failure is kept in the row as state error; a cancellation leaves it stopped. */
  start(id: VmId, options: CallOptions): Promise<VmRecord> {
    return this.idle.beside(() => this.#start(id, options));
  }
  async #start(id: VmId, options: CallOptions): Promise<VmRecord> {
    const { unlock } = await this.#locks.lock(id);
    const ended = new AbortController();
    try {
      const vm = getVm(this.deps.state, id);
      transition(vm, "start");
      this.#starting.set(id, ended);
      const signal = AbortSignal.any([ended.signal, ...mayCancel(vm, options.signal)]);
      return await this.#boot(id, { ...options, signal });
    } catch (error) {
      // Refused before anything was done: a VM that runs keeps its session.
      this.deps.runtimes.notComing(id, toBangerError(error));
      throw error;
    } finally {
      this.#starting.delete(id);
      this.deps.workspaces.forget(id);
      unlock();
    }
  }

  /** Takes a start under way back. Whoever waits for it is told that it was cancelled. */
  #interruptStart(id: VmId): boolean {
    const ended = this.#starting.get(id);
    ended?.abort();
    return ended !== undefined;
  }

  async #boot(id: VmId, options: CallOptions): Promise<VmRecord> {
    const { deps } = this;
    try {
      deps.runtimes.expectSession(id);
      await giveRoom(deps);
      await withRoom(deps, {
        run: () =>
          goOnOrBoot({ id, deps, warn: options.warn }, (input) => this.#run(startSteps, id, input, options)),
        settle: async () => {
          for (const left of this.#locks.left(id)) await this.recover(left);
        },
        wantsRoom: isDatabaseFull,
      });
      const started = getVm(deps.state, id);
      this.watch(started);
      this.maker.missed(started);
      this.spares.started(started);
      return started;
    } catch (error) {
      const failure = toBangerError(error);
      deps.runtimes.detach(id, failure);
      const vm = deps.state.vms.get(id);
      const quiet = failure.code === "cancelled" || failure.code === "precondition";
      if (vm !== undefined && vm.state !== "running" && !quiet) {
        const state = vm.checkpoint === null ? "error" : "suspended";
        updateVm(deps.state, deps.paths, id, { state, lastError: failure.message, machine: null });
        deps.happened?.("vm.failed", vm, { doing: "vm.start", error: failure.message });
      }
      throw failure;
    }
  }

  /** Stops it in order; a VM that is not running is refused. */
  async stop(id: VmId, options: CallOptions): Promise<VmRecord> {
    const interrupted = this.#interruptStart(id);
    return this.#locks.locked(id, async (vm, finished) => {
      if (finished.includes(stopSteps.name) || (interrupted && isIdle(vm))) return vm;
      transition(vm, "stop");
      if (vm.state === "suspended")
        options.warn?.(
          `what ran in VM ${vm.name} when it was suspended is given up; its files are as they were then`,
        );
      await this.#end(stopSteps, { id, orderly: true, reason: null }, options);
      if (vm.state === "suspended") await sweepCheckpoints(this.deps);
      return getVm(this.deps.state, id);
    });
  }

  async restart(id: VmId, options: CallOptions): Promise<VmRecord> {
    if (!isIdle(getVm(this.deps.state, id))) await this.stop(id, options);
    return this.start(id, options);
  }

  /** Sends the VMM a signal and, when that was meant to end it, clears up after it. */
  async kill(id: VmId, signal: number, options: CallOptions): Promise<VmRecord> {
    const interrupted = this.#interruptStart(id);
    return this.#locks.locked(id, async (vm, finished) => {
      if (finished.includes(stopSteps.name) || (interrupted && isIdle(vm))) return vm;
      if (!(await signalMachine(this.deps, vm, signal))) return vm;
      await this.#end(stopSteps, { id, orderly: false, reason: null }, options);
      return getVm(this.deps.state, id);
    });
  }

  /**
   * Ends it, however it is, and removes all of it; with `onlyIdle` one that runs, or is about to, is left alone with a
   * precondition error. Absent is success.
   */
  async delete(id: VmId, options: CallOptions, { onlyIdle = false } = {}): Promise<void> {
    if (!onlyIdle) this.#interruptStart(id);
    const unlock = await this.deps.runtimes.lock(id);
    try {
      const vm = this.deps.state.vms.get(id);
      if (vm === undefined) return this.deps.runtimes.forget(id);
      if (onlyIdle && !isIdle(vm))
        throw new BangerError("precondition", `VM ${vm.name} is ${vm.state}: left alone`);
      await this.#end(deleteSteps, { id, orderly: false, reason: null }, options);
      // Nothing is left that earlier calls could still have to finish. Never before: deleting must always be a way out.
      for (const left of this.#locks.left(id)) this.deps.state.journal.end(left.run);
      this.deps.runtimes.forget(id);
      await sweepCheckpoints(this.deps);
    } finally {
      unlock();
    }
  }

  /**
   * As delete, for a VM that goes with its daemon anyway: resolves at once, and the VM goes while its user goes on. See
   * leaving.
   */
  async deleteSoon(id: VmId, options: CallOptions): Promise<void> {
    if (this.deps.state.vms.get(id)?.ephemeral !== true) return this.delete(id, options);
    this.leaving.begin(id);
  }

  /** Changes what it is, see checkChange. */
  async set(id: VmId, change: SpecChange, options: CallOptions): Promise<VmRecord> {
    return this.#locks.locked(id, async (vm) => {
      checkVcpus(this.deps.driver, change.vcpu);
      checkChange(vm, change, this.deps.devices.liveEgress);
      const halted = this.deps.runtimes.takeHalted(id);
      if (halted !== undefined) await this.deps.driver.kill(halted.machine);
      await this.#run(setSteps, id, { id, change }, options);
      return getVm(this.deps.state, id);
    });
  }

  /** It is not ephemeral any more. */
  keep(id: VmId): void {
    this.deps.state.durably(() => updateVm(this.deps.state, this.deps.paths, id, { ephemeral: false }));
  }

  setWorkspace(id: VmId, workspace: VmRecord["workspace"]): void {
    updateVm(this.deps.state, this.deps.paths, id, { workspace });
  }

  /** Notices when a running machine ends by itself, and clears up after it. */
  watch(vm: VmRecord): void {
    const options = { signal: new AbortController().signal };
    watchMachine(this.deps, vm, (input) => this.#run(stopSteps, vm.id, input, options));
  }

  /** Takes back, or goes through again, what a crash or a failing disk left half done. */
  recover(open: JournalRun): Promise<void> {
    const options = { signal: new AbortController().signal };
    return recoverRun(open, this.deps, (list, id, input) => this.#run(list, id, input, options));
  }

  /** Goes through a list that ends a VM, also on a full disk: these lists can be gone through again at any point. */
  async #end(list: EndSteps, input: EndInput, options: CallOptions): Promise<void> {
    await withRoom(this.deps, {
      run: () => this.#run(list, input.id, input, options),
      settle: async () => {
        for (const { run } of this.#locks.left(input.id)) this.deps.state.journal.end(run);
      },
      wantsRoom: isFull,
    });
  }

  #run<Init extends object, Acc extends object>(
    list: StepList<VmContext, Init, Acc>,
    id: VmId,
    input: Init,
    options: CallOptions,
  ): Promise<Acc> {
    return runList(this.deps, list, { id, input }, options).finally(() => {
      this.touches.touch(id);
      this.#changed();
    });
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}
