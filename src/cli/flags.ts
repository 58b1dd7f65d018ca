/** Kinds of flag and argument values that several commands share; their messages complete "--flag VALUE: ...". */
import { z } from "zod";
import { parseSizeBytes, VmName, vmNameProblem } from "../base/base.ts";

/** A switch: absent means false. */
export function toggle(description: string, short?: string) {
  return z
    .boolean()
    .default(false)
    .meta({ description, ...(short === undefined ? {} : { short }) });
}

export function text(value: string, description: string, short?: string) {
  return z
    .string()
    .min(1, "must not be empty")
    .optional()
    .meta({ value, description, ...(short === undefined ? {} : { short }) });
}

interface SizeLimit {
  bytes: number;
  text: string;
}

/** A size such as 16G, in bytes; a bare number is MiB. */
export function size(description: string, least: SizeLimit, most: SizeLimit) {
  return z
    .string()
    .transform((given, ctx): number => {
      try {
        const bytes = parseSizeBytes(given);
        if (bytes < least.bytes) ctx.addIssue({ code: "custom", message: `must be at least ${least.text}` });
        else if (bytes > most.bytes)
          ctx.addIssue({ code: "custom", message: `must be at most ${most.text}` });
        else return bytes;
      } catch {
        // Says only what it cannot read: the flag's own words are more use here.
        ctx.addIssue({
          code: "custom",
          message: "is not a size (such as 512M or 16G; a bare number is MiB)",
        });
      }
      return z.NEVER;
    })
    .optional()
    .meta({ value: "SIZE", description });
}

export function whole(value: string, description: string, min: number, max: number, short?: string) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^[0-9]{1,9}$/, message)
    .transform(Number)
    .refine((given) => given >= min && given <= max, message)
    .optional()
    .meta({ value, description, ...(short === undefined ? {} : { short }) });
}

export const json = () => toggle("print JSON");

const nameOfVm = () =>
  z
    .string()
    .transform((given, ctx): VmName => {
      const problem = vmNameProblem(given);
      if (problem === undefined) return VmName.parse(given);
      ctx.addIssue({ code: "custom", message: problem });
      return z.NEVER;
    })
    .optional();

export const vmName = () =>
  nameOfVm().meta({
    value: "NAME",
    description: "name of the VM (a-z, 0-9, '-'; default: a made-up one)",
    short: "n",
  });

/** Of several VMs, the beginning of their names. */
export const forkName = () =>
  nameOfVm().meta({
    value: "NAME",
    description: "name of the fork; of several, what comes before -1, -2 and so on (default: made-up ones)",
  });

const MiB = 1024 * 1024;

/** What a new VM is like: the flags that vm run and vm create share. */
export const specFlags = {
  name: vmName(),
  image: text("IMAGE", "image to boot (default: default_image_name in config.toml)", "i"),
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

const ref = () => z.string().min(1, "is empty").max(128, "is too long for a name or an id");

export const oneVm = () => ref().meta({ value: "vm", description: "name, id or beginning of the id" });
export const manyVms = () =>
  z.array(ref()).min(1).meta({ value: "vm", description: "names, ids or beginnings of ids" });
export const oneImage = () => ref().meta({ value: "image", description: "name or digest of an image" });
export const oneKernel = () => ref().meta({ value: "kernel", description: "name or digest of a kernel" });
