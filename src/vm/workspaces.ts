/**
 * Workspaces on their way: what is copied into a VM before its first start is put on its work disk by the host, beside the
 * start of the machine, which waits for it at one step.
 */

import { relative } from "node:path";
import type { Readable } from "node:stream";
import { BangerError, toBangerError, type VmId } from "../base/base.ts";
import { createFilledWorkDisk } from "../disk/disk.ts";
import type { VmRecord } from "../state/state.ts";
import type { VmDeps } from "./deps.ts";
import { type VmPaths, vmFiles } from "./layout.ts";

/** Where guests mount their work disk. */
const workRoot = "/root";

/** A VM that was made for a workspace does not get it. */
export class WorkspaceFailed extends BangerError {
  constructor(cause: BangerError) {
    const { code, message, hint, details } = cause;
    super(code, message, { hint, details, cause });
  }
}

export class Workspaces {
  readonly #expected = new Map<VmId, { coming: PromiseWithResolvers<void>; over: AbortController }>();

  constructor(
    private readonly paths: VmPaths,
    private readonly bootSource: VmDeps["bootSource"],
  ) {}

  /** From now on the VM's start waits for it. */
  expect(id: VmId): void {
    const coming = Promise.withResolvers<void>();
    // Whoever brings it is told of a failure; the start may never come to wait for it.
    coming.promise.catch(() => {});
    this.#expected.set(id, { coming, over: new AbortController() });
  }

  /** Whether the VM's start waits for one. Else it is to be copied into the guest. */
  expects(id: VmId): boolean {
    return this.#expected.has(id);
  }

  /** No start waits for it any more: what of it is still on its way is given up. */
  forget(id: VmId): void {
    this.#expected.get(id)?.over.abort(new BangerError("cancelled", "the VM's start has ended"));
    this.#expected.delete(id);
  }

  /** Makes the work disk with the tar's files below `guestPath`. Rejects, and the VM's start too, when that fails. */
  async receive(
    vm: VmRecord,
    { guestPath, tar }: { guestPath: string; tar: Readable },
    signal: AbortSignal,
  ): Promise<{ files: number; bytes: number }> {
    const expected = this.#expected.get(vm.id);
    if (expected === undefined) throw new BangerError("precondition", `VM ${vm.name} waits for no workspace`);
    const until = AbortSignal.any([signal, expected.over.signal]);
    try {
      const under = relative(workRoot, guestPath);
      if (under === "" || under.startsWith("..")) {
        throw new BangerError(
          "bad_request",
          `a new VM's workspace goes below ${workRoot}, not to ${guestPath}`,
        );
      }
      const { workSeed } = await this.bootSource(vm.image.id, vm.kernel.id);
      const written = await createFilledWorkDisk({
        ...{ path: vmFiles(this.paths, vm.id).filledWorkDisk, sizeBytes: vm.spec.diskBytes },
        ...{ templatesDir: this.paths.workTemplates, durable: false },
        ...(workSeed === undefined ? {} : { seed: workSeed }),
        ...{ under, tar, signal: until },
      });
      expected.coming.resolve();
      return written;
    } catch (error) {
      const failed = new WorkspaceFailed(toBangerError(error));
      expected.coming.reject(failed);
      throw failed;
    }
  }

  /** Resolves when the workspace is there: at once when none is on its way. */
  async arrived(id: VmId, signal: AbortSignal): Promise<void> {
    const expected = this.#expected.get(id);
    if (expected === undefined) return;
    const gone = Promise.withResolvers<never>();
    const onAbort = () => gone.reject(new BangerError("cancelled", "cancelled"));
    signal.addEventListener("abort", onAbort, { once: true });
    if (signal.aborted) onAbort();
    try {
      await Promise.race([expected.coming.promise, gone.promise]);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}
