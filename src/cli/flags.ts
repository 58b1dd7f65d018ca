/** Kinds of flag and argument values that several commands share; their messages complete "--flag VALUE: ...". */
import {
  artifactNameGrammar,
  artifactNameRule,
  guestUserRule,
  isGuestUser,
  isVmName,
  parseDurationMs,
  parseSizeBytes,
  type VmName,
  vmNameProblem,
} from "../base/base.ts";
import {
  type Completes,
  matching,
  optional,
  type Repeated,
  required,
  type Switch,
  Unfit,
  type Word,
  type Words,
} from "./option.ts";

/** A switch: absent means false. */
export function toggle(description: string, short?: string): Switch {
  return { kind: "switch", negated: false, description, short };
}

export function text(value: string, description: string, short?: string) {
  return optional({ value, description, short }, (given) => {
    if (given !== "") return given;
    throw new Unfit("must not be empty");
  });
}

/** Who a command runs as. Whether the guest knows them is the guest's to say. */
export const guestUser = () =>
  optional(
    {
      value: "USER[:GROUP]",
      description:
        "who the command runs as in the guest, by name or number (default: root in a workspace, else the image's user)",
    },
    (given) => {
      if (isGuestUser(given)) return given;
      throw new Unfit(guestUserRule);
    },
  );

/** The same option, whose word the shell can complete. */
export function completing<O extends Word<unknown>>(completes: Completes, option: O): O {
  return { ...option, completes };
}

/** The same option, of which nobody is told. */
export function hidden<O extends Word<unknown>>(option: O): O {
  return { ...option, hidden: true };
}

/** A word each time it is given. */
export function texts(value: string, description: string, short?: string): Repeated<string> {
  const read = (given: string) => {
    if (given !== "" && !given.includes("\0")) return given;
    throw new Unfit("must not be empty");
  };
  return { kind: "repeated", required: false, value, description, short, read };
}

interface SizeLimit {
  bytes: number;
  text: string;
}

/** A size such as 16G, in bytes; a bare number is MiB. */
export function size(description: string, least: SizeLimit, most: SizeLimit) {
  return optional({ value: "SIZE", description }, (given) => {
    const bytes = sizeBytes(given);
    if (bytes < least.bytes) throw new Unfit(`must be at least ${least.text}`);
    if (bytes > most.bytes) throw new Unfit(`must be at most ${most.text}`);
    return bytes;
  });
}

function sizeBytes(given: string): number {
  try {
    return parseSizeBytes(given);
  } catch {
    // Says only what it cannot read: the flag's own words are more use here.
    throw new Unfit("is not a size (such as 512M or 16G; a bare number is MiB)");
  }
}

export function whole(value: string, description: string, min: number, max: number, short?: string) {
  return optional({ value, description, short }, (given) => {
    const number = /^[0-9]{1,9}$/.test(given) ? Number(given) : Number.NaN;
    if (number >= min && number <= max) return number;
    throw new Unfit(`must be a whole number from ${min} to ${max}`);
  });
}

/** A duration such as 90s, in ms. */
export function duration(description: string) {
  return optional({ value: "DURATION", description }, (given) => {
    try {
      return parseDurationMs(given);
    } catch {
      throw new Unfit("is not a duration (such as 90s or 2h30m)");
    }
  });
}

export const json = () => toggle("print JSON");
export const watchFlag = () =>
  toggle("show it anew every two seconds, until Ctrl-C; with --json a line each time", "w");

function readVmName(given: string): VmName {
  if (isVmName(given)) return given;
  throw new Unfit(vmNameProblem(given));
}

export const vmName = () =>
  optional(
    {
      value: "NAME",
      description: "name of the VM (a-z, 0-9, '-'; default: a made-up one)",
      short: "n",
    },
    readVmName,
  );

/** Of several VMs, the beginning of their names. */
export const forkName = () =>
  optional(
    {
      value: "NAME",
      description: "name of the fork; of several, what comes before -1, -2 and so on (default: made-up ones)",
    },
    readVmName,
  );

const MiB = 1024 * 1024;

/** What a new VM is like: the flags that vm run and vm create share. */
export const specFlags = {
  name: vmName(),
  image: completing(
    "image",
    text(
      "IMAGE",
      "image to boot, or a container image to pull for it: registry/name:tag (default: default_image_name in config.toml)",
      "i",
    ),
  ),
  vcpu: whole("COUNT", "virtual CPUs (default: config.toml, else what suits the host)", 1, 64),
  memory: size(
    "memory (default: config.toml, else what suits the host)",
    { bytes: 128 * MiB, text: "128M" },
    { bytes: 1024 * 1024 * MiB, text: "1T" },
  ),
  // No file of a host's ext4 is larger than 16 TiB less a block.
  diskSize: size(
    "size of the disk at /root (default: config.toml, else 8G)",
    { bytes: 16 * MiB, text: "16M" },
    { bytes: 15 * 1024 * 1024 * MiB, text: "15T" },
  ),
  nat: toggle("let the VM reach the network outside"),
  cold: toggle("boot it, even if there is a template that it could go on from"),
};

/** What of a repository goes into a VM beside its tracked files. */
export const whatToCopy = {
  includeUntracked: toggle("copy untracked files too; ignored ones only with --include"),
  include: texts("PATH", "copy this file or directory of it too, even if git ignores it (repeatable)"),
};

/** Whether a flag was used. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0);
}

/** Of an image or a kernel, as the contract takes it. */
export const readArtifactName = matching(artifactNameGrammar, artifactNameRule);

/** A name, an id or the beginning of one, as the contract takes it. */
export function readRef(given: string): string {
  if (given === "") throw new Unfit("is empty");
  if (given.length > 128) throw new Unfit("is too long for a name or an id");
  return given;
}

export const oneVm = () =>
  required({ value: "vm", description: "name, id or beginning of the id", completes: "vm" }, readRef);
export const manyVms = (): Words<string> => ({
  kind: "words",
  required: true,
  value: "vm",
  description: "names, ids or beginnings of ids",
  completes: "vm",
  read: readRef,
});
/** `otherwise`: which are meant when none is named. */
export const someVms = (otherwise: string): Words<string> => ({
  ...manyVms(),
  required: false,
  description: `names, ids or beginnings of ids (default: ${otherwise})`,
});
export const oneImage = () =>
  required({ value: "image", description: "name or digest of an image", completes: "image" }, readRef);
export const oneKernel = (completes: Completes = "kernel") =>
  required({ value: "kernel", description: "name or digest of a kernel", completes }, readRef);
