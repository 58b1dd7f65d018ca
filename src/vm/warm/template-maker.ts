/** Makes the templates that were missed, one at a time, while nobody waits for anything. */
import { readFileSync } from "node:fs";
import type { VmSpec } from "../../base/base.ts";
import { VmName } from "../../base/ids.ts";
import { freeSpace } from "../../disk/disk.ts";
import { runSteps } from "../../pipeline/pipeline.ts";
import type { ColdReason, VmRecord } from "../../state/state.ts";
import { takenAddresses } from "../addresses.ts";
import type { BootSource, VmDeps } from "../deps.ts";
import { newRecord } from "../new-vm.ts";
import { templateSteps } from "../steps/template.ts";
import type { IdleJob, IdleSource, IdleWork } from "./idle-work.ts";
import { templateKey } from "./template-key.ts";

/** A VM that booted is left alone for this long: its user is just beginning. In ms. */
const usualQuietMs = 3_000;
const mostWanted = 4;
/** A template that could not be made so often is not tried again by this daemon. */
const mostFailures = 2;
/** What making one must leave to others. */
export const spareBytes = 1024 ** 3;

/** Why a VM booted that would have gone on, had there been a good template. */
const avoidable: ReadonlySet<ColdReason> = new Set<ColdReason>(["none", "damaged", "changed", "failed"]);

interface Wanted {
  source: BootSource;
  spec: VmSpec;
}

export class TemplateMaker implements IdleSource {
  readonly #wanted = new Map<string, Wanted>();
  readonly #failures = new Map<string, number>();

  constructor(
    private readonly deps: VmDeps,
    private readonly idle: Pick<IdleWork, "arm">,
  ) {}

  /** How many are being made, or wait for their time. */
  get coming(): number {
    return this.#wanted.size;
  }

  get busy(): boolean {
    return this.coming > 0;
  }

  next(): IdleJob | undefined {
    const next = [...this.#wanted].at(-1);
    if (next === undefined) return undefined;
    return {
      quietMs: this.deps.templateQuietMs ?? usualQuietMs,
      run: (signal) => this.#make(next, signal),
    };
  }

  /** The next VM like one that had to boot shall not have to. */
  missed({ start, image, kernel, spec }: VmRecord): void {
    if (start?.how !== "cold" || !avoidable.has(start.why)) return;
    const { deps } = this;
    void deps
      .bootSource(image.id, kernel.id)
      .then((source) => this.#want(source, spec))
      .catch((error: unknown) => deps.log.warn("no template is made", { error: String(error) }));
  }

  async #want(source: BootSource, spec: VmSpec): Promise<void> {
    const { deps } = this;
    if (deps.templates === undefined) return;
    const key = await templateKey(deps, source, spec);
    if (key === undefined || (this.#failures.get(key.name) ?? 0) >= mostFailures) return;
    // Last come, first made; what has waited longest is the least likely to be asked for again.
    this.#wanted.delete(key.name);
    this.#wanted.set(key.name, { source, spec });
    const [oldest] = this.#wanted.keys();
    if (this.#wanted.size > mostWanted && oldest !== undefined) this.#wanted.delete(oldest);
    this.idle.arm();
  }

  async #make([name, { source, spec }]: [string, Wanted], signal: AbortSignal): Promise<void> {
    const { deps } = this;
    const began = performance.now();
    try {
      // Firecracker's own, and the copy that is kept.
      const lacking = await whatIsLacking(deps, spec, { files: 2, bytes: 0 });
      if (lacking !== undefined) {
        deps.log.info("no template is made", { template: name, lacking });
        this.#wanted.delete(name);
        return;
      }
      await make(deps, { source, spec }, signal);
      this.#wanted.delete(name);
      const ms = Math.round(performance.now() - began);
      deps.log.info("a template was made", { template: name, ms });
      deps.happened?.("template.made", { id: name, name: source.image.name }, { ms });
    } catch (error) {
      if (signal.aborted) return;
      this.#wanted.delete(name);
      this.#failures.set(name, (this.#failures.get(name) ?? 0) + 1);
      deps.log.warn("a template could not be made", { template: name, error: String(error) });
    }
  }
}

async function make(deps: VmDeps, { source, spec }: Wanted, signal: AbortSignal): Promise<void> {
  const key = await templateKey(deps, source, spec);
  if (key === undefined || deps.templates === undefined) return;
  if (typeof (await deps.templates.lookup(key.name)) !== "string") return;
  const input = {
    ...{
      name: VmName.parse("template"),
      source,
      ephemeral: true,
      willStart: true,
      workspace: false,
      cold: true,
    },
    spec: { ...spec, nat: false },
  };
  const address = deps.devices.spareAddress(takenAddresses(deps));
  const record = { ...newRecord(input, deps.driver.name, []), address };
  if (address !== null) deps.runtimes.lentAddresses.add(address);
  const { rootfs, vmlinux, initramfs, cmdline, workSeed = null } = source;
  const made = runSteps(
    templateSteps,
    { id: record.id, deps },
    {
      ...{ record, key: { ...key.record } },
      source: { rootfs, kernel: vmlinux, initramfs, cmdline: [...cmdline], workSeed },
    },
    {
      ...{ journal: deps.state.journal, signal, failpoint: deps.failpoint },
      observe: (event) => deps.log.debug("step", { template: key.name, list: templateSteps.name, ...event }),
    },
  );
  await made.finally(() => address !== null && deps.runtimes.lentAddresses.delete(address));
  for (const gone of await deps.templates.fit(deps.templates.maxBytes)) {
    // It would be made after each boot, to be removed at once.
    if (gone.key === key.name) throw new Error(`it takes ${gone.sizeBytes} bytes, more than [warm] max_size`);
    deps.log.info("a template gave way to newer ones", { template: gone.key });
    deps.happened?.("template.removed", { id: gone.key, name: "" }, { reason: "it gave way to newer ones" });
  }
}

export interface Needed {
  /** How often a guest's memory becomes a file, be it for a moment. */
  files: number;
  /** What is written beside. */
  bytes: number;
}

/** Neither disk space nor memory may be the last that the host has. */
export async function whatIsLacking(
  deps: VmDeps,
  { memoryMiB }: VmSpec,
  { files, bytes }: Needed,
): Promise<string | undefined> {
  const needed = files * memoryMiB * 1024 * 1024 + bytes + spareBytes;
  if ((await freeSpace(deps.paths.vms)).bytes < needed) return "disk space";
  const available = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  if (available !== undefined && Number(available) * 1024 < memoryMiB * 1024 * 1024) return "memory";
  return undefined;
}
