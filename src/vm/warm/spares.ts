/**
 * The spare: one guest that waits, restored and halted, to be the next VM like the last one. That VM's start is then to let
 * it go on and to tell it who it is.
 */
import type { VmId } from "../../base/base.ts";
import { VmName } from "../../base/ids.ts";
import { runSteps } from "../../pipeline/pipeline.ts";
import type { VmRecord } from "../../state/state.ts";
import type { TemplateRef } from "../../warm/warm.ts";
import { takenAddresses } from "../addresses.ts";
import type { VmDeps } from "../deps.ts";
import { newRecord } from "../new-vm.ts";
import { type Made, spareSteps } from "../steps/spare.ts";
import type { IdleJob, IdleSource, IdleWork } from "./idle-work.ts";
import { templateKey } from "./template-key.ts";
import { whatIsLacking } from "./template-maker.ts";

/** After the last start: the command that it was for has the processors to itself. In ms. */
const usualQuietMs = 1_000;
/** For so long it waits. Its memory is worth more to a host on which nothing is started. In ms. */
const usualWaitMs = 10 * 60_000;
/** After so many failures in a row this daemon makes none any more. */
const mostFailures = 2;

/** What a VM must have in common with it. */
interface Kind {
  /** The template's key. */
  template: string;
  nat: boolean;
}

/** A machine for a VM that is still to be made: its row and its files are to have this id. */
export interface Spare extends Made {
  id: VmId;
  /** On the host's bridge; that VM's, too. */
  address: string | null;
  template: TemplateRef;
  /**
   * To be called when the VM is there: until it resolves a killed daemon's successor takes the machine back, and so would
   * whoever finds the list still open.
   */
  taken(): Promise<void>;
  /** It is somebody's from now on: it does not end for having waited long. */
  keep(): void;
  /** Ends it, if it has not been taken. */
  dismiss(): Promise<void>;
}

type Wanted = Pick<VmRecord, "image" | "kernel" | "spec">;

export class Spares implements IdleSource {
  #wanted: Wanted | undefined;
  #waiting: (Spare & { nat: boolean }) | undefined;
  /** Settles when none is being made: what was made last waits, or could not be made. */
  #made: Promise<void> = Promise.resolve();
  /** Settles when what was made last is a VM, or gone. */
  #over: Promise<void> = Promise.resolve();
  #failures = 0;

  constructor(
    private readonly deps: VmDeps,
    private readonly idle: Pick<IdleWork, "arm">,
  ) {}

  /** The key of the template that it goes on from; undefined when there is none. */
  get template(): string | undefined {
    return this.#waiting?.template.key;
  }

  /** The next VM is likely to be like this one. */
  started({ image, kernel, spec, start }: VmRecord): void {
    const { driver, templates, spare } = this.deps;
    if (spare !== true || templates === undefined || driver.pause === undefined) return;
    if (start?.how === "cold" && start.why === "asked") return;
    if (this.#failures < mostFailures) this.#wanted = { image, kernel, spec };
    this.idle.arm();
  }

  next(): IdleJob | undefined {
    const wanted = this.#wanted;
    if (wanted === undefined) return undefined;
    return {
      quietMs: this.deps.spareQuietMs ?? usualQuietMs,
      run: (signal) => this.#replace(wanted, signal),
    };
  }

  /** The one that waits, for a VM of its kind. */
  async take({ template, nat }: Kind): Promise<Spare | undefined> {
    const waiting = this.#waiting;
    if (waiting === undefined || waiting.template.key !== template || waiting.nat !== nat) return undefined;
    this.#waiting = undefined;
    waiting.keep();
    if (await this.deps.driver.alive(waiting.halted.machine)) return waiting;
    await waiting.dismiss();
    return undefined;
  }

  /** Ends the one that waits; until the next start no other is made. */
  async dismiss(): Promise<void> {
    this.#wanted = undefined;
    // Only one that waits can be told to end.
    await this.#made;
    await this.#waiting?.dismiss();
    await this.#over;
  }

  async #replace(wanted: Wanted, signal: AbortSignal): Promise<void> {
    const { deps } = this;
    try {
      const source = await deps.bootSource(wanted.image.id, wanted.kernel.id);
      const key = await templateKey(deps, source, wanted.spec);
      const { nat } = wanted.spec;
      if (key?.name === this.#waiting?.template.key && nat === this.#waiting?.nat) return this.#done(wanted);
      await this.#waiting?.dismiss();
      const template = key === undefined ? "none" : await deps.templates?.lookup(key.name);
      const lacking = await whatIsLacking(deps, wanted.spec, { files: 1, bytes: 0 });
      if (template === undefined || typeof template === "string" || lacking !== undefined)
        return this.#done(wanted);
      signal.throwIfAborted();
      // Dismissed in the meantime, or another one is wanted by now.
      if (this.#wanted !== wanted) return;
      const { key: name, id } = template;
      await this.#make({ ...wanted, source }, { key: name, id }, signal);
      this.#failures = 0;
      this.#done(wanted);
    } catch (error) {
      if (signal.aborted) return;
      this.#failures += 1;
      this.#done(wanted);
      deps.log.warn("no VM could be made in advance", { error: String(error) });
    }
  }

  #done(wanted: Wanted): void {
    if (this.#wanted === wanted) this.#wanted = undefined;
  }

  /** Resolves when it waits. The list goes on for as long. */
  async #make(
    { spec, source }: Wanted & { source: Awaited<ReturnType<VmDeps["bootSource"]>> },
    template: TemplateRef,
    signal: AbortSignal,
  ): Promise<void> {
    const { deps } = this;
    const input = {
      name: VmName.parse("spare"),
      source,
      spec,
      ephemeral: true,
      ...{ willStart: true, workspace: false, cold: false },
    };
    const address = deps.devices.address(takenAddresses(deps));
    const record = { ...newRecord(input, deps.driver.name, []), address };
    const { id } = record;
    if (address !== null) deps.runtimes.lentAddresses.add(address);
    const began = performance.now();
    const offered = Promise.withResolvers<void>();
    const forget = () => {
      if (this.#waiting?.id === id) this.#waiting = undefined;
    };
    const list = runSteps(
      spareSteps,
      {
        ...{ id, deps },
        offer: (made) => {
          const taken = Promise.withResolvers<void>();
          const dismiss = async () => {
            forget();
            taken.reject(new Error("nobody wants it any more"));
            await this.#over;
          };
          const take = async () => {
            taken.resolve();
            await this.#over;
          };
          const timer = setTimeout(() => void dismiss(), deps.spareWaitMs ?? usualWaitMs);
          timer.unref();
          const keep = () => clearTimeout(timer);
          this.#waiting = { id, address, template, ...made, nat: spec.nat, taken: take, keep, dismiss };
          deps.log.info("a VM waits to be the next one", {
            ...{ id, template: template.key },
            ms: Math.round(performance.now() - began),
          });
          offered.resolve();
          return taken.promise.finally(() => clearTimeout(timer));
        },
      },
      { record, template },
      {
        ...{ journal: deps.state.journal, signal },
        failpoint: deps.failpoint,
        observe: (event) => deps.log.debug("step", { vm: id, list: spareSteps.name, ...event }),
      },
    );
    this.#over = list
      .then(
        () => {},
        (error: unknown) => offered.reject(error),
      )
      .finally(() => {
        forget();
        // By now a row has it, or nobody.
        if (address !== null) deps.runtimes.lentAddresses.delete(address);
      });
    this.#made = offered.promise.catch(() => {});
    await offered.promise;
  }
}
