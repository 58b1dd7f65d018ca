/** VMs that nobody uses are suspended after a while, and go on when somebody comes. */
import { BangerError, type VmId } from "../../base/base.ts";
import type { VmRecord } from "../../state/state.ts";
import type { CallOptions } from "../call-options.ts";
import type { VmDeps } from "../deps.ts";
import { getVm } from "../rows.ts";
import type { Lent } from "./live.ts";
import { isAsleep } from "./suspended.ts";
import type { Touches } from "./touches.ts";

/** A guest with more to do than this (load average of a minute) is at work for somebody who has gone. */
const busyLoad = 0.25;
const statsMs = 5_000;

interface Use {
  open: number;
  /** When it was used last, or first seen, as Date.now(). */
  last: number;
}

export class IdleVms {
  readonly #uses = new Map<VmId, Use>();
  readonly #waking = new Map<VmId, Promise<VmRecord>>();
  readonly #suspending = new Map<VmId, Promise<unknown>>();
  #timer: ReturnType<typeof setInterval> | undefined;

  /** `afterMs` of no use until a VM is suspended; 0 never does. */
  constructor(
    private readonly deps: VmDeps,
    private readonly lent: Pick<Lent, "start"> & {
      suspend(id: VmId): Promise<unknown>;
      /** Keeps what is to outlive this daemon. */
      touches: Pick<Touches, "begin">;
    },
    private readonly afterMs = deps.suspendAfterMs ?? 0,
  ) {
    if (this.afterMs === 0 || deps.driver.checkpoint === undefined) return;
    const everyMs = Math.min(60_000, Math.max(1_000, this.afterMs / 4));
    this.#timer = setInterval(() => void this.check(), everyMs);
    this.#timer.unref();
  }

  /** From here on somebody uses it, until what is returned is called. */
  begin(id: VmId): () => void {
    const use = this.#of(id);
    use.open += 1;
    const touched = this.lent.touches.begin(id);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      touched();
      use.open -= 1;
      use.last = Date.now();
    };
  }

  #of(id: VmId): Use {
    const use = this.#uses.get(id) ?? { open: 0, last: Date.now() };
    this.#uses.set(id, use);
    return use;
  }

  /** Lets a VM go on that was suspended because nobody used it; any other is left as it is. Resolves with its row. */
  async wake({ id }: VmRecord, options: CallOptions): Promise<VmRecord> {
    await this.#suspending.get(id)?.catch(() => {
      // Whoever suspends it says so; it runs on.
    });
    const vm = getVm(this.deps.state, id);
    if (!isAsleep(vm)) return vm;
    const waking =
      this.#waking.get(vm.id) ??
      this.lent.start(vm.id, options).finally(() => {
        this.#waking.delete(vm.id);
      });
    this.#waking.set(vm.id, waking);
    return waking;
  }

  /** Suspends those that nobody has used for long enough. */
  async check(now = Date.now()): Promise<void> {
    const { state, log } = this.deps;
    const vms = state.vms.list();
    const known = new Set(vms.map(({ id }) => id));
    for (const id of this.#uses.keys()) if (!known.has(id)) this.#uses.delete(id);
    for (const vm of vms) {
      const use = this.#of(vm.id);
      if (vm.state !== "running" || vm.ephemeral || use.open > 0 || this.#suspending.has(vm.id))
        use.last = now;
      if (now - use.last < this.afterMs) continue;
      // Asked again after as long, whatever comes of it.
      use.last = now;
      try {
        if (await this.#works(vm)) continue;
        // While it was asked somebody may have come.
        if (use.open > 0) continue;
        const suspending = this.lent.suspend(vm.id);
        this.#suspending.set(vm.id, suspending);
        await suspending.finally(() => this.#suspending.delete(vm.id));
        log.info("a VM that nobody used was suspended", { vm: vm.id });
      } catch (error) {
        if (error instanceof BangerError && error.code === "precondition") continue;
        log.warn("a VM that nobody uses could not be suspended", { vm: vm.id, error: String(error) });
      }
    }
  }

  async #works({ id }: VmRecord): Promise<boolean> {
    const session = this.deps.runtimes.current(id);
    // Nobody knows what it does.
    if (session === undefined) return true;
    const { load } = await session.stats(AbortSignal.timeout(statsMs));
    return load[0] >= busyLoad;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
