/** One call at a time on a VM's life, and what earlier ones had to leave open is finished first. */
import type { VmId } from "../base/base.ts";
import type { JournalRun } from "../pipeline/pipeline.ts";
import type { VmRecord } from "../state/state.ts";
import type { VmDeps } from "./deps.ts";
import { getVm } from "./rows.ts";
import type { Unlock } from "./runtime.ts";
import { vmOf } from "./steps/journalled.ts";

export class VmLocks {
  constructor(
    private readonly deps: Pick<VmDeps, "state" | "runtimes">,
    private readonly recover: (open: JournalRun) => Promise<void>,
  ) {}

  /**
   * The VM's lock, with the lists that were finished first: what earlier calls had to leave open, because a disk was full
   * or failing. The next daemon would finish them too, but then they would strike what the VM has become by then.
   */
  async lock(id: VmId): Promise<{ unlock: Unlock; finished: string[] }> {
    const unlock = await this.deps.runtimes.lock(id);
    try {
      const left = this.left(id);
      for (const run of left) await this.recover(run);
      return { unlock, finished: left.map((run) => run.list) };
    } catch (error) {
      unlock();
      throw error;
    }
  }

  /** The runs on a VM that were left open. With the VM's lock held, none of them is under way. */
  left(id: VmId): JournalRun[] {
    return this.deps.state.journal.open().filter((run) => vmOf(run) === id);
  }

  async locked<T>(id: VmId, body: (vm: VmRecord, finished: string[]) => Promise<T>): Promise<T> {
    const { unlock, finished } = await this.lock(id);
    try {
      return await body(getVm(this.deps.state, id), finished);
    } finally {
      unlock();
    }
  }
}
