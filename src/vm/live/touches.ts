/**
 * When VMs were used last, and which are in use. It is the time of a file beside a VM's disks: a daemon that is killed loses
 * none of it, a use costs one system call, and what removes the VM removes it.
 */
import { statSync, utimesSync, writeFileSync } from "node:fs";
import type { VmId } from "../../base/base.ts";
import { type VmPaths, vmFiles } from "../layout.ts";

export class Touches {
  readonly #open = new Map<VmId, number>();

  constructor(private readonly paths: VmPaths) {}

  /** From here on it is used, until what is returned is called. */
  begin(id: VmId): () => void {
    this.#open.set(id, (this.#open.get(id) ?? 0) + 1);
    this.touch(id);
    let over = false;
    return () => {
      if (over) return;
      over = true;
      const left = (this.#open.get(id) ?? 1) - 1;
      if (left > 0) this.#open.set(id, left);
      else this.#open.delete(id);
      this.touch(id);
    };
  }

  isOpen(id: VmId): boolean {
    return this.#open.has(id);
  }

  touch(id: VmId): void {
    const path = vmFiles(this.paths, id).touched;
    const now = new Date();
    try {
      utimesSync(path, now, now);
    } catch {
      try {
        writeFileSync(path, "", { mode: 0o600 });
      } catch {
        // Its directory is gone, or not there yet; on a full disk the VM counts from when it is looked at next.
      }
    }
  }

  /** As Date.now(); undefined when nobody knows. */
  last(id: VmId): number | undefined {
    return statSync(vmFiles(this.paths, id).touched, { throwIfNoEntry: false })?.mtimeMs;
  }
}
