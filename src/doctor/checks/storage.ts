/** Checks of where banger keeps VMs and images. */
import { formatBytes } from "../../base/base.ts";
import { anywhere, type Check, defineCheck } from "../check.ts";
import type { DirectoryFacts } from "../facts/storage.ts";
import { fail, fixable, pass, warn } from "../verdict.ts";
import { evidenceOf, refusal } from "./directory-words.ts";

/** An image and its kernel, while they are built. */
const buildBytes = 4 * 1024 ** 3;
/** A VM that only works a little. */
const littleBytes = 1024 ** 3;
/** Below this nothing can even be written down. */
const nothingBytes = 64 * 1024 ** 2;
const fewInodes = 1000;

const state = defineCheck({
  id: "state",
  group: "storage",
  modes: anywhere,
  symptoms: [
    "`EACCES` or `EROFS` when a VM is made",
    "`the database was damaged` in the daemon's log",
    "VMs are gone after a reboot",
  ],
  meaning:
    "VMs, images and the database are in the state directory: it must be yours, and writable, and outlive a reboot.",
  cure: "Give it back to yourself (`sudo chown -R $USER ~/.local/state/banger`), make its file system writable, or set `XDG_STATE_HOME` to a directory on another one. A damaged database needs nothing: the daemon sets it aside and finds the VMs by their directories.",
  dependsOn: [],
  needs: ["storage"],
  judge: ({ facts: { storage }, place, advice }) => {
    const { state, database } = storage;
    const evidence = [...evidenceOf("state", state), { looked: "banger.db", found: database }];
    const owner = place.mode === "system" ? place.install?.uid : place.uid;
    const elsewhere = `or elsewhere: ${place.paths.largerState}`;
    if (!state.isDirectory)
      return fail(`${state.there} is not a directory`, [`mv ${state.there} ${state.there}.old`], ...evidence);
    if (state.exists && state.uid !== owner) {
      const belongs = `${state.path} belongs to user ${state.uid}`;
      // By sudo, with that user's HOME: what is theirs is right as it is, and is not to become root's.
      if (place.mode === "user" && place.uid === 0)
        return fail(belongs, ["call banger as that user, without sudo", elsewhere], ...evidence);
      const remedy = [
        advice.asRoot(`chown -R ${place.install?.owner ?? place.user} ${state.path}`),
        elsewhere,
      ];
      return fixable(
        fail(belongs, remedy, ...evidence),
        advice.fix("root", "chown", "-R", place.install?.owner ?? place.user, state.path),
      );
    }
    if (state.refused !== undefined)
      return fixable(
        fail(refusal(state), [...regain(state, advice.asRoot), elsewhere], ...evidence),
        ...(state.exists && state.refused === "EACCES"
          ? [advice.fix("you", "chmod", "u+rwx", state.path)]
          : []),
      );
    if (state.exists && (state.mode & 0o077) !== 0)
      return fixable(
        warn(
          `others may look into ${state.path}: its mode is ${state.mode.toString(8)}`,
          [`chmod go-rwx ${state.path}`],
          ...evidence,
        ),
        advice.fix("you", "chmod", "go-rwx", state.path),
      );
    if (state.fileSystem.type === "tmpfs")
      return warn(
        `${state.path} is in memory: VMs are gone after a reboot`,
        [place.paths.largerState],
        ...evidence,
      );
    if (database === "damaged")
      return warn("the database is damaged: the next daemon sets it aside", ["banger vm list"], ...evidence);
    if (database === "unreadable")
      return fail(
        "the database may not be read by you",
        [advice.asRoot(`chown -R ${place.user} ${state.path}`)],
        ...evidence,
      );
    return pass(state.exists ? state.path : `${state.path}, when it is needed`, ...evidence);
  },
});

function regain({ there, refused, fileSystem }: DirectoryFacts, asRoot: (line: string) => string): string[] {
  return refused === "EROFS"
    ? [asRoot(`mount -o remount,rw ${fileSystem.mountPoint}`)]
    : [`chmod u+rwx ${there}`];
}

const diskSpace = defineCheck({
  id: "disk-space",
  group: "storage",
  modes: anywhere,
  symptoms: [
    "`No space left on device`",
    "`the VM's disks may grow to ..., but only ... are free`",
    "guests' file systems become read-only",
  ],
  meaning:
    "Disks of VMs take what is written to them, no more; building an image takes about 5 GB, a VM's work rarely less than one.",
  cure: "`banger df` shows what takes how much. Delete what is not needed: `banger prune`, `banger template prune`; or keep the state on a larger disk (`XDG_STATE_HOME`).",
  dependsOn: [],
  needs: ["storage", "images"],
  judge: ({ facts: { storage, images }, place }) => {
    const { fileSystem } = storage.state;
    const { freeBytes, totalBytes, freeInodes, totalInodes, type, mountPoint } = fileSystem;
    const needed = images.image.stored === undefined ? buildBytes : littleBytes;
    const evidence = [
      { looked: storage.state.there, found: `${type} at ${mountPoint}` },
      { looked: "space", found: `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free` },
      // Some file systems (btrfs) have no such number.
      {
        looked: "files",
        found: totalInodes === 0 ? "as many as fit" : `${freeInodes} of ${totalInodes} free`,
      },
    ];
    const remedy = ["banger prune", "banger template prune", place.paths.largerState];
    const said = `${formatBytes(freeBytes)} of ${formatBytes(totalBytes)} free on ${mountPoint}`;
    if (freeBytes < nothingBytes) return fail(`${said}: the disk is full`, remedy, ...evidence);
    if (totalInodes > 0 && freeInodes < fewInodes)
      return fail(`${mountPoint} has room for ${freeInodes} more files only`, remedy, ...evidence);
    if (freeBytes >= needed) return pass(said, ...evidence);
    const what = images.image.stored === undefined ? "building an image takes about 4G" : "VMs will fill it";
    return warn(`${said}: ${what}`, remedy, ...evidence);
  },
});

/** File systems that can share blocks between files; xfs unless it was made without. */
const sharing = ["btrfs", "xfs", "bcachefs", "zfs", "ocfs2"];

const rootDisks = defineCheck({
  id: "root-disks",
  group: "storage",
  modes: ["user"],
  symptoms: ["making a VM takes a second or more, and as much space as its image"],
  meaning:
    "VMs of one image share it, and have a copy-on-write layer each: reflinks where the file system has them (btrfs, xfs), a qcow2 layer else. Neither needs anything to be done.",
  cure: "Nothing: every way works.",
  dependsOn: [],
  needs: ["storage", "daemon"],
  judge: ({ facts: { storage, daemon } }) => {
    const { type } = storage.state.fileSystem;
    const active = daemon.answer?.status.diskStrategy;
    const evidence = [
      { looked: "file system", found: type },
      {
        looked: "the daemon",
        found: active === undefined ? "none runs to say what it uses" : `it uses: ${active}`,
      },
    ];
    const words: Record<string, string> = {
      reflink: `reflinks on ${type}`,
      overlay: `qcow2 layers: ${type} has no reflinks, and needs none`,
      copy: `copies: ${type} has no reflinks, and the driver no qcow2`,
    };
    if (active !== undefined) return pass(words[active] ?? active, ...evidence);
    return pass(
      sharing.includes(type)
        ? `reflinks, if ${type} has them here; else qcow2 layers`
        : (words.overlay ?? ""),
      ...evidence,
    );
  },
});

export const storageChecks: readonly Check[] = [state, diskSpace, rootDisks];
