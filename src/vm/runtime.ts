/** What the daemon knows of a running VM beyond its row: its session, its watcher, the lock on its life. */
import { BangerError, type VmId, type VmName } from "../base/base.ts";
import type { GuestSession } from "../guest/guest.ts";
import type { MachineHandle } from "../vmm/vmm.ts";
import type { Network, RootAttachment } from "./devices.ts";

/** Waits in line for a VM's life cycle: one start, stop or delete at a time. */
export type Unlock = () => void;

/** A machine that stands still, the way to its guest, and what it has of the host's. */
export interface Halted {
  machine: MachineHandle;
  session: GuestSession;
  root: RootAttachment;
  network: Network | null;
}

interface Runtime {
  /** What its first start is to let go on, instead of starting a machine. */
  halted: Halted | undefined;
  session: GuestSession | undefined;
  /** A session whose guest is not personalised yet: for the start alone. */
  booting: GuestSession | undefined;
  /** Set while a start is under way: what waits for its session. */
  coming: PromiseWithResolvers<GuestSession> | undefined;
  /** By what the last session went, while the machine runs. */
  channel: GuestSession["channel"] | undefined;
  tail: Promise<void>;
}

export class Runtimes {
  readonly #all = new Map<VmId, Runtime>();
  /** Of guests that have no row yet, or never will: of a template that is being made, and of the one that waits. */
  readonly lentAddresses = new Set<string>();
  /** Opens the session of a running VM again, when it has been lost: its guest's agent may have been started anew. */
  revive: ((id: VmId) => void) | undefined;
  /** Whether there is another way to a guest than its agent: then it is worth asking whether that still answers. */
  otherWay: ((id: VmId) => boolean) | undefined;
  readonly #fallbackListeners = new Map<VmId, Set<() => void>>();

  #get(id: VmId): Runtime {
    let runtime = this.#all.get(id);
    if (runtime === undefined) {
      runtime = {
        halted: undefined,
        session: undefined,
        booting: undefined,
        coming: undefined,
        channel: undefined,
        tail: Promise.resolve(),
      };
      this.#all.set(id, runtime);
    }
    return runtime;
  }

  /** Resolves with the lock when all earlier holders are done. */
  async lock(id: VmId): Promise<Unlock> {
    const runtime = this.#get(id);
    const before = runtime.tail;
    const { promise, resolve } = Promise.withResolvers<void>();
    runtime.tail = before.then(() => promise);
    await before;
    return resolve;
  }

  /** A start is about to begin: from now on callers may wait for the session. */
  expectSession(id: VmId): void {
    const runtime = this.#get(id);
    if (runtime.coming !== undefined) return;
    runtime.coming = Promise.withResolvers<GuestSession>();
    // A start that fails with nobody waiting is reported by the start itself.
    runtime.coming.promise.catch(() => {});
  }

  /** The machine that the VM was made with. */
  setHalted(id: VmId, halted: Halted): void {
    this.#get(id).halted = halted;
  }

  halted(id: VmId): Halted | undefined {
    return this.#all.get(id)?.halted;
  }

  /** Whoever takes it lets it go on, or ends it. */
  takeHalted(id: VmId): Halted | undefined {
    const halted = this.halted(id);
    if (halted !== undefined) this.#get(id).halted = undefined;
    return halted;
  }

  /** The guest has said hello; nobody but its start may talk to it yet. */
  booting(id: VmId, session: GuestSession): void {
    this.#get(id).booting = session;
  }

  /** Throws guest_failed when the guest has gone since its hello. */
  bootingSession(id: VmId): GuestSession {
    const session = this.#get(id).booting;
    if (session === undefined) throw new BangerError("guest_failed", "the guest has gone");
    return session;
  }

  isBooting(id: VmId): boolean {
    return this.#all.get(id)?.booting !== undefined;
  }

  attach(id: VmId, session: GuestSession): void {
    const runtime = this.#get(id);
    runtime.session?.close();
    runtime.booting = undefined;
    runtime.session = session;
    runtime.channel = session.channel;
    if (session.channel === "ssh") for (const tell of this.#fallbackListeners.get(id) ?? []) tell();
    runtime.coming?.resolve(session);
    runtime.coming = undefined;
    void session.closed.then(() => {
      if (runtime.session === session) runtime.session = undefined;
    });
  }

  /** The start failed or the VM ended: whoever waits for its session hears why. */
  detach(id: VmId, why: BangerError): void {
    this.notComing(id, why);
    this.hangUp(id);
  }

  /**
   * Ends what there is of a session; what is open in it hears `why`. Whoever waits for one goes on waiting: the start may be
   * gone through once more.
   */
  hangUp(id: VmId, why?: BangerError): void {
    const runtime = this.#get(id);
    const session = runtime.session;
    runtime.session = undefined;
    runtime.channel = undefined;
    session?.close(why);
    runtime.booting?.close();
    runtime.booting = undefined;
  }

  /** No start comes after all: whoever waits for one hears why. A session that is there stays. */
  notComing(id: VmId, why: BangerError): void {
    const runtime = this.#get(id);
    runtime.coming?.reject(why);
    runtime.coming = undefined;
  }

  /** Nobody needs to wait any more: there will be no session. */
  giveUp(id: VmId, bySsh?: string): void {
    const why = bySsh === undefined ? "" : `, and ssh does not work either: ${bySsh}`;
    this.detach(
      id,
      new BangerError("unavailable", `the guest agent does not answer${why}`, {
        hint: "see what the guest says: banger vm logs",
      }),
    );
  }

  /** By what the guest was talked to last; undefined when it never was, or could not be. */
  channel(id: VmId): GuestSession["channel"] | undefined {
    return this.#all.get(id)?.channel;
  }

  /** `tell` is called when the guest is talked to by ssh, because its agent does not answer. Returns what ends that. */
  onFallback(id: VmId, tell: () => void): () => void {
    const listeners = this.#fallbackListeners.get(id) ?? new Set();
    this.#fallbackListeners.set(id, listeners.add(tell));
    return () => {
      listeners.delete(tell);
      if (listeners.size === 0) this.#fallbackListeners.delete(id);
    };
  }

  /** The session that is there and answers. One that does not is ended, where there is another way to the guest. */
  async answering(id: VmId): Promise<GuestSession | undefined> {
    const runtime = this.#all.get(id);
    const session = runtime?.session;
    if (session === undefined || this.otherWay?.(id) !== true) return session;
    try {
      await session.answering();
      return session;
    } catch {
      // Its end is already its own; a new one is to be had.
      if (runtime?.session === session) runtime.session = undefined;
      return undefined;
    }
  }

  current(id: VmId): GuestSession | undefined {
    return this.#all.get(id)?.session;
  }

  /** The session, waiting for a start under way. Throws precondition when there is neither. */
  async session(vm: { id: VmId; name: VmName; state: string }, signal: AbortSignal): Promise<GuestSession> {
    const runtime = this.#get(vm.id);
    if (vm.state === "paused") {
      throw new BangerError("precondition", `VM ${vm.name} is paused`, {
        hint: `let it go on: banger vm resume ${vm.name}`,
      });
    }
    const answering = runtime.session && (await this.answering(vm.id));
    if (answering !== undefined) return answering;
    this.regain(vm);
    if (runtime.coming === undefined) {
      if (vm.state === "running") {
        throw new BangerError("unavailable", `the guest agent of VM ${vm.name} does not answer`, {
          hint: `see what the guest says: banger vm logs ${vm.name}`,
        });
      }
      throw new BangerError("precondition", `VM ${vm.name} is ${vm.state}, not running`, {
        hint: `start it first: banger vm start ${vm.name}`,
      });
    }
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = () => reject(new BangerError("cancelled", "cancelled"));
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      signal.throwIfAborted();
      return await Promise.race([runtime.coming.promise, aborted]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** A running VM that has no session, and none that is coming, is given one. */
  regain({ id, state }: { id: VmId; state: string }): void {
    const runtime = this.#get(id);
    const wanted = runtime.session === undefined && runtime.coming === undefined;
    if (wanted && state === "running") this.revive?.(id);
  }

  forget(id: VmId): void {
    this.#all.delete(id);
  }
}
