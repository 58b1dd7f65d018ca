/** VMs whose removal was answered while it still goes on. */
import type { VmId } from "../base/base.ts";

/** A removal that takes longer keeps nobody waiting any more: it is shown as what it is. In ms. */
const patienceMs = 30_000;

export class LeavingVms {
  readonly #removals = new Map<VmId, Promise<unknown>>();

  /** `removal` says itself what there is to say of its failure, and may fail at that. */
  add(id: VmId, removal: Promise<unknown>): void {
    const over = removal
      .catch(() => {})
      .finally(() => {
        if (this.#removals.get(id) === over) this.#removals.delete(id);
      });
    this.#removals.set(id, over);
  }

  has(id: VmId): boolean {
    return this.#removals.has(id);
  }

  /** Those that were on their way out when this was called are gone. */
  async gone(): Promise<void> {
    if (this.#removals.size === 0) return;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, patienceMs);
    await Promise.race([Promise.all(this.#removals.values()), late.promise]);
    clearTimeout(timer);
  }
}
