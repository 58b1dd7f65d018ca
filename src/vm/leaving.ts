/** VMs whose removal was answered while it still goes on. */
import { BangerError, toBangerError, type VmId } from "../base/base.ts";
import type { VmDeps } from "./deps.ts";
import { updateVm } from "./rows.ts";

/** From then on a removal keeps nobody waiting who only asks: its VM is shown as what it is. In ms. */
const patienceMs = 30_000;

export class LeavingVms {
  readonly #removals = new Map<VmId, Promise<void>>();
  /** The same, of those that are not overdue. */
  readonly #awaited = new Map<VmId, Promise<void>>();

  /** `changed` is called after each removal. */
  constructor(
    private readonly deps: Pick<VmDeps, "state" | "paths" | "log">,
    private readonly remove: (id: VmId) => Promise<void>,
    private readonly changed: () => void,
  ) {}

  /** Removes it as soon as the answer to that has left: the end of a machine can take a host's only processor. */
  begin(id: VmId): void {
    if (this.#removals.has(id)) return;
    const overdue = Promise.withResolvers<void>();
    const patience = setTimeout(overdue.resolve, patienceMs);
    const over = new Promise((resolve) => setImmediate(resolve))
      .then(() => this.remove(id))
      .catch((error: unknown) => this.#stays(id, toBangerError(error).message))
      .catch((error: unknown) =>
        this.deps.log.error("a row could not be changed", { vm: id, error: String(error) }),
      )
      .finally(() => {
        clearTimeout(patience);
        this.#removals.delete(id);
        this.#awaited.delete(id);
        this.changed();
      });
    this.#removals.set(id, over);
    const awaited = Promise.race([over, overdue.promise]).finally(() => this.#awaited.delete(id));
    this.#awaited.set(id, awaited);
  }

  /** Nobody waits any more to be told so. */
  #stays(id: VmId, why: string): void {
    const { state, paths, log } = this.deps;
    log.error("a VM could not be removed", { vm: id, error: why });
    if (state.vms.get(id) === undefined) return;
    updateVm(state, paths, id, { state: "error", lastError: `not deleted: ${why}` });
  }

  get any(): boolean {
    return this.#removals.size > 0;
  }

  has(id: VmId): boolean {
    return this.#awaited.has(id);
  }

  /** Those that were on their way out when this was called are gone, or overdue. Throws cancelled. */
  async gone(signal?: AbortSignal): Promise<void> {
    if (this.#awaited.size === 0) return;
    const cancelled = Promise.withResolvers<never>();
    const cancel = () => cancelled.reject(new BangerError("cancelled", "cancelled"));
    signal?.addEventListener("abort", cancel, { once: true });
    if (signal?.aborted === true) cancel();
    try {
      await Promise.race([Promise.all(this.#awaited.values()), cancelled.promise]);
    } finally {
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** None is on its way out, however many come meanwhile; those that are overdue are left to the next daemon. */
  async close(): Promise<void> {
    while (this.#awaited.size > 0) await this.gone();
  }
}
