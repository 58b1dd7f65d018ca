/** Machines end by themselves too: their guests power off, their VMM is killed. */
import type { VmRecord } from "../state/state.ts";
import type { VmDeps } from "./deps.ts";
import type { EndInput } from "./steps/end.ts";

const lives = ({ state }: VmRecord) => state === "running" || state === "paused";

/** Calls `stop` when this very machine has ended while its VM was to run. */
export function watchMachine(
  deps: VmDeps,
  { id, machine }: VmRecord,
  stop: (input: EndInput) => Promise<unknown>,
): void {
  if (machine === null) return;
  void deps.driver.exited(machine).then(async () => {
    const unlock = await deps.runtimes.lock(id);
    try {
      const now = deps.state.vms.get(id);
      if (now?.machine?.process.pid !== machine.process.pid || !lives(now)) return;
      const reason = "the machine ended by itself (powered off in the guest, or its VMM died)";
      deps.log.info("machine ended", { vm: id });
      await stop({ id, orderly: false, reason });
    } catch (error) {
      deps.log.error("clearing up after a machine failed", { vm: id, error: String(error) });
    } finally {
      unlock();
    }
  });
}
