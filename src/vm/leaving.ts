/** VMs whose removal was answered while it still goes on. */
import { toBangerError, type VmId } from "../base/base.ts";
import type { VmDeps } from "./deps.ts";
import { updateVm } from "./rows.ts";

/** A removal that takes longer keeps nobody waiting any more: it is shown as what it is. In ms. */
const patienceMs = 30_000;

export class LeavingVms {
  readonly #removals = new Map<VmId, Promise<unknown>>();

  constructor(
    private readonly deps: Pick<VmDeps, "state" | "paths" | "log">,
    private readonly remove: (id: VmId) => Promise<void>,
  ) {}

  /** Removes it as soon as the answer to that has left: the end of a machine can take a host's only processor. */
  begin(id: VmId): void {
    const over = new Promise((resolve) => setImmediate(resolve))
      .then(() => this.remove(id))
      .catch((error: unknown) => this.#stays(id, toBangerError(error).message))
      .catch(() => {})
      .finally(() => {
        if (this.#removals.get(id) === over) this.#removals.delete(id);
      });
    this.#removals.set(id, over);
  }

  /** Nobody waits any more to be told so. */
  #stays(id: VmId, why: string): void {
    const { state, paths, log } = this.deps;
    log.error("a VM that was to go is still there", { vm: id, error: why });
    if (state.vms.get(id) === undefined) return;
    updateVm(state, paths, id, { state: "error", lastError: `not deleted: ${why}` });
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
