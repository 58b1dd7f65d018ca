/** What a VM takes at this moment, seen from its host and from its guest. Asking is not using: nobody is woken or kept awake. */
import type { VmId } from "../../base/base.ts";
import type { GuestStats } from "../../guest/guest.ts";
import type { VmRecord } from "../../state/state.ts";
import { allocated, memoryUse, processUse } from "../../sys/sys.ts";
import type { VmDeps } from "../deps.ts";
import { vmFiles } from "../layout.ts";
import { workDiskOf } from "../steps/frozen-disks.ts";

/** Who asks is answered without a guest that is slower than this. In ms. */
const patienceMs = 1_500;
/** After that a guest is not going to answer any more, and is asked again. In ms. */
const answerMs = 15_000;

interface Space {
  allocatedBytes: number;
  apparentBytes: number;
}

export interface VmSample {
  /** Of a clock that only goes forward, in ms. */
  atMs: number;
  /** Null where no machine runs. `proportionalBytes` is null where nobody but root may know it. */
  host: {
    cpuMs: number;
    residentBytes: number;
    ownBytes: number | null;
    proportionalBytes: number | null;
  } | null;
  /** What its disks take of the host's, and how large they are for the guest. */
  disk: { root: Space; work: Space };
  guest: GuestStats | null;
  /** Why there is nothing of its guest. */
  guestSilent: string | null;
}

export class StatsTaker {
  /** Questions that are still open: a guest that is slow is not asked a second one behind the first. */
  readonly #asked = new Map<VmId, Promise<GuestStats>>();

  constructor(private readonly deps: Pick<VmDeps, "paths" | "runtimes">) {}

  async take(vm: VmRecord, { guest }: { guest: boolean }): Promise<VmSample> {
    const { spec, rootDisk } = vm;
    const work = workDiskOf(vm, vmFiles(this.deps.paths, vm.id)).path;
    const [host, ofRoot, ofWork, said] = await Promise.all([
      hostSide(vm),
      allocated(rootDisk === null ? [] : [rootDisk.path]),
      allocated([work]),
      guest ? this.#guestSide(vm) : "it was not asked",
    ]);
    return {
      atMs: performance.now(),
      host,
      disk: {
        root: { allocatedBytes: ofRoot, apparentBytes: spec.overlayBytes },
        work: { allocatedBytes: ofWork, apparentBytes: spec.diskBytes },
      },
      ...(typeof said === "string" ? { guest: null, guestSilent: said } : { guest: said, guestSilent: null }),
    };
  }

  /** What the guest says, or why it says nothing. */
  async #guestSide({ id, state }: VmRecord): Promise<GuestStats | string> {
    if (state !== "running") return `it is ${state}`;
    const session = this.deps.runtimes.current(id);
    const asking = this.#asked.get(id) ?? session?.stats(AbortSignal.timeout(answerMs));
    if (asking === undefined) return "nobody talks to it at present";
    if (!this.#asked.has(id)) {
      this.#asked.set(id, asking);
      const over = () => this.#asked.delete(id);
      asking.then(over, over);
    }
    return Promise.race([
      asking.catch(() => "it does not answer"),
      new Promise<string>((resolve) => setTimeout(resolve, patienceMs, "it is slow to answer").unref()),
    ]);
  }
}

async function hostSide({ machine }: VmRecord): Promise<VmSample["host"]> {
  if (machine === null) return null;
  const [use, memory] = await Promise.all([processUse(machine.process), memoryUse(machine.process.pid)]);
  return use === undefined ? null : { ...use, proportionalBytes: memory?.proportionalBytes ?? null };
}
