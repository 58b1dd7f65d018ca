/** VMs that nobody has touched for long are stopped in order. */
import { BangerError, formatSpan } from "../../base/base.ts";
import type { VmRecord } from "../../state/state.ts";
import { tcpPeers } from "../../sys/sys.ts";
import type { CallOptions } from "../call-options.ts";
import type { VmDeps } from "../deps.ts";
import { type EndInput, type EndSteps, stopSteps } from "../steps/end.ts";
import type { Lent } from "./live.ts";
import type { Touches } from "./touches.ts";

export interface StaleLent extends Pick<Lent, "locked"> {
  end(list: EndSteps, input: EndInput, options: CallOptions): Promise<void>;
}

/** For `vm show`, and for those who follow events. */
export function staleReason(afterMs: number): string {
  return `nobody had used it for ${formatSpan(afterMs)} (auto_stop_stale_after)`;
}

/**
 * Only of one that runs: a paused VM is held so by somebody, a suspended one takes no memory and would lose what it has. One with a
 * connection for its life goes with that. A last use in the future (the clock was set back) is none.
 */
export function isStale(
  { state, ephemeral }: Pick<VmRecord, "state" | "ephemeral">,
  use: { open: boolean; last: number },
  { now, afterMs }: { now: number; afterMs: number },
): boolean {
  return state === "running" && !ephemeral && !use.open && now - use.last >= afterMs;
}

export class StaleVms {
  #timer: ReturnType<typeof setInterval> | undefined;
  #checking = false;

  /** `afterMs` of no use until a VM is stopped; 0 never does. */
  constructor(
    private readonly deps: VmDeps,
    private readonly touches: Touches,
    private readonly lent: StaleLent,
    private readonly peers: () => Promise<ReadonlySet<string>> = tcpPeers,
    private readonly afterMs = deps.stopAfterMs ?? 0,
  ) {
    if (this.afterMs === 0) return;
    const everyMs = Math.min(60_000, Math.max(1_000, this.afterMs / 4));
    this.#timer = setInterval(() => void this.check(), everyMs);
    this.#timer.unref();
  }

  /** Stops those that nobody has used for long enough. One check at a time: a guest takes its time to power off. */
  async check(now = Date.now()): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    try {
      const stale = this.deps.state.vms.list().filter((vm) => this.#isStale(vm, now));
      const peers = stale.some(({ address }) => address !== null) ? await this.peers() : new Set<string>();
      await Promise.all(
        stale.map(async (vm) => {
          // Somebody of this host talks to it past banger.
          if (vm.address !== null && peers.has(vm.address)) this.touches.touch(vm.id);
          else await this.#stop(vm, now);
        }),
      );
    } finally {
      this.#checking = false;
    }
  }

  #isStale(vm: VmRecord, now: number): boolean {
    const last = this.touches.last(vm.id);
    // Of before banger kept it: its time begins now.
    if (last === undefined) this.touches.touch(vm.id);
    const use = { open: this.touches.isOpen(vm.id), last: last ?? now };
    return isStale(vm, use, { now, afterMs: this.afterMs });
  }

  async #stop({ id }: VmRecord, now: number): Promise<void> {
    const { log } = this.deps;
    try {
      await this.lent.locked(id, async (vm) => {
        // While it was another's turn somebody may have come.
        if (!this.#isStale(vm, now)) return;
        const reason = staleReason(this.afterMs);
        await this.lent.end(
          stopSteps,
          { id, orderly: true, reason },
          { signal: new AbortController().signal },
        );
      });
    } catch (error) {
      // Deleted meanwhile, or on its way somewhere else.
      if (error instanceof BangerError && ["not_found", "precondition"].includes(error.code)) return;
      log.warn("a VM that nobody uses could not be stopped", { vm: id, error: String(error) });
    }
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
