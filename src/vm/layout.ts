/** Where a VM's files are. Everything derives from its id, so that a crash leaves nothing that cannot be found. */
import { join } from "node:path";
import type { VmId } from "../base/base.ts";

export interface VmPaths {
  /** Directory of all VMs' durable files. */
  vms: string;
  /** Directory of all VMs' sockets and pid files; gone after a reboot. */
  run: string;
  /** Finished empty work disks, copied for new VMs. */
  workTemplates: string;
  /** Directory of the templates that new VMs go on from. */
  templates: string;
}

export interface VmFiles {
  dir: string;
  workDisk: string;
  /** A work disk with a workspace on it, until it has taken the place of the empty one. */
  filledWorkDisk: string;
  /** What file_sync brings, until the guest has it. */
  fileSync: string;
  consoleLog: string;
  vmmLog: string;
  hostKey: string;
  hostKeyPublic: string;
  /** For OpenSSH: this VM's key pinned under its name, known before the first connection. */
  knownHosts: string;
  /** A copy of the row, from which a lost database is rebuilt. */
  mirror: string;
  /** Empty: when it was changed last is when somebody used the VM last. */
  touched: string;
  runDir: string;
}

/** Where the files of a template that is being made are: as a VM's, so that what a crash leaves is found like a VM's. */
export function templateFiles(paths: VmPaths, id: VmId): VmFiles {
  return vmFiles({ ...paths, vms: paths.templates }, id);
}

export function vmFiles(paths: VmPaths, id: VmId): VmFiles {
  const dir = join(paths.vms, id);
  return {
    dir,
    workDisk: join(dir, "work.ext4"),
    filledWorkDisk: join(dir, "work.filled"),
    fileSync: join(dir, "file-sync.tar"),
    consoleLog: join(dir, "console.log"),
    vmmLog: join(dir, "vmm.log"),
    hostKey: join(dir, "ssh_host_ed25519_key"),
    hostKeyPublic: join(dir, "ssh_host_ed25519_key.pub"),
    knownHosts: join(dir, "known_hosts"),
    mirror: join(dir, "vm.json"),
    touched: join(dir, "touched"),
    // Half an id, because a unix socket's path has at most 107 bytes.
    runDir: join(paths.run, id.slice(0, 18)),
  };
}
