/**
 * Jails: BASE/firecracker/ID/root is what a VM's Firecracker sees as /. Base and the directories down to ID are root's;
 * root/ becomes the owner's by jailer. ID stays shut (0700) until jailer has done: as root it works by names in
 * directories that are the owner's by then, and nobody may swap them meanwhile.
 */
import {
  chmodSync,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
} from "node:fs";
import { BangerError, type VmId } from "../../base/base.ts";
import { parentProblem } from "../../config/config.ts";
import { jailFiles } from "../../rpc/rpc.ts";
import {
  type BlockDevice,
  linkFile,
  makeDeviceNode,
  makeDirectory,
  makeMountPoint,
  openBelow,
  removeTreeOf,
} from "../../sys/sys.ts";
import { holding } from "../descriptors.ts";
import { jailsDirectory, vmOf } from "../names.ts";
import type { Site } from "../operation.ts";
import { checkConfiguredPath, checkJailBase } from "../policy.ts";

export function jailBase({ config, places }: Site): string {
  const base = config.jailer_chroot_base ?? places.jails;
  checkConfiguredPath("jailer_chroot_base", base);
  return base;
}

const directoryFlags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** Others may pass through, and see no names. */
const passable = 0o711;
/** Sticky says that the directory is root's and in a jail: see banger_remove_tree. */
const rootDirectoryMode = 0o1700;

/** The directory of all jails, made when it is not there. The caller closes it. */
export function openJailBase(site: Site): number {
  const base = jailBase(site);
  const problem = parentProblem(base);
  if (problem === undefined) mkdirIfAbsent(base);
  const fd = openSync(base, directoryFlags);
  try {
    checkJailBase(base, fstatSync(fd), problem);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function mkdirIfAbsent(path: string): void {
  try {
    mkdirSync(path);
    // Whatever the umask took of it.
    chmodSync(path, passable);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
  }
}

/** BASE/firecracker; undefined when there is none. The caller closes it. */
function openJails(base: number): number | undefined {
  try {
    return openBelow(base, jailsDirectory, constants.O_RDONLY | constants.O_DIRECTORY);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

export interface JailContent {
  kernel: number;
  initramfs: number;
  workDisk: number;
  rootDisk: BlockDevice;
  /** Whether it has places for saved memory and state. */
  saved: boolean;
}

/** Makes the VM's jail, shut. Whatever was there of it before is gone. */
export function makeJail(site: Site, vm: VmId, content: JailContent): Promise<void> {
  return holding(async (hold) => {
    const base = hold(openJailBase(site));
    const jails = hold(openJails(base) ?? makeDirectory(base, jailsDirectory, passable));
    fchmodSync(jails, passable);
    removeTreeOf(site.user.uid, jails, vm);
    const jail = hold(makeDirectory(jails, vm, 0o700));
    const root = hold(makeDirectory(jail, "root", rootDirectoryMode));
    try {
      linkFile(content.kernel, root, inJail("kernel"));
      linkFile(content.initramfs, root, inJail("initramfs"));
      linkFile(content.workDisk, root, inJail("workDisk"));
    } catch (cause) {
      if (!(cause instanceof Error && "code" in cause && cause.code === "EXDEV")) throw cause;
      throw new BangerError(
        "bad_config",
        `${jailBase(site)} and ${site.places.state} are not on one file system`,
        {
          hint: "set jailer_chroot_base in /etc/banger/config.toml to a directory of root's beside the state",
          cause,
        },
      );
    }
    makeDeviceNode(root, inJail("rootDisk"), content.rootDisk, site.user);
    if (content.saved) for (const file of ["memory", "state"] as const) makeMountPoint(root, inJail(file));
  });
}

function inJail(file: keyof typeof jailFiles): string {
  return jailFiles[file].slice(1);
}

/** Lets the owner through to the sockets in the jail. */
export function openJail(site: Site, vm: VmId): Promise<void> {
  return holding(async (hold) => {
    const base = hold(openJailBase(site));
    const jail = hold(openBelow(base, `${jailsDirectory}/${vm}`, constants.O_RDONLY | constants.O_DIRECTORY));
    fchmodSync(jail, passable);
  });
}

/** Absent is success. */
export function removeJail(site: Site, vm: VmId): Promise<void> {
  return holding(async (hold) => {
    const jails = openJails(hold(openJailBase(site)));
    if (jails !== undefined) removeTreeOf(site.user.uid, hold(jails), vm);
  });
}

/** VMs that have a jail, whole or not. */
export function jailedVms(site: Site): VmId[] {
  try {
    return readdirSync(`${jailBase(site)}/${jailsDirectory}`)
      .map(vmOf)
      .filter((vm) => vm !== undefined);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

/** A path in the jail as this process sees it, for looking only: what is there may be swapped at any moment. */
export function pathInJail(site: Site, vm: VmId, file: string): string {
  return `${jailBase(site)}/${jailsDirectory}/${vm}/root${file}`;
}
