/** One known_hosts for all VMs, for an OpenSSH that is told by `Host *.vm`: each VM's own, put together. */
import { existsSync } from "node:fs";
import { mkdir, readFile, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type { VmId, VmName } from "../../base/base.ts";
import { makeAside } from "../../sys/sys.ts";
import { type VmPaths, vmFiles } from "../../vm/vm.ts";

/** Of the file while it is written: one daemon writes it, so a name for the next one to find is enough. */
const aside = (file: string) => `${file}.new`;

export class KnownHosts {
  #written: string | undefined;
  #tail: Promise<void> = Promise.resolve();

  constructor(
    private readonly file: string,
    private readonly paths: VmPaths,
  ) {}

  /** Resolves when the file has these VMs' keys, and no others. */
  write(vms: readonly { id: VmId; name: VmName }[]): Promise<void> {
    const next = this.#tail.then(() => this.#write(vms));
    this.#tail = next.catch(() => {});
    return next;
  }

  async #write(vms: readonly { id: VmId; name: VmName }[]): Promise<void> {
    const about = JSON.stringify(vms.map(({ id, name }) => [id, name]));
    if (about === this.#written) return;
    const lines = await Promise.all(
      // One that is just being made, or that is going.
      vms.map(({ id }) => readFile(vmFiles(this.paths, id).knownHosts, "utf8").catch(() => "")),
    );
    const directory = dirname(this.file);
    if (!existsSync(directory)) await mkdir(directory, { recursive: true, mode: 0o700 });
    await rm(aside(this.file), { force: true });
    // Not durable: it is made anew with each daemon.
    await makeAside(this.file, { aside: aside(this.file), mode: 0o600, durable: false }, (file) =>
      file.writeFile(lines.join("")),
    );
    this.#written = lines.includes("") ? undefined : about;
  }
}
