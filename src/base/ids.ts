/** Branded identifiers. A value of these types has passed its grammar; nothing else makes one. */
import { randomUUID } from "node:crypto";
import { z } from "zod";

/** A VM's identity for life: a lower-case UUID. Kernel objects and processes carry it, so that reconcile knows its own. */
export const VmId = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, "not a VM id")
  .brand<"VmId">();
export type VmId = z.infer<typeof VmId>;

export function newVmId(): VmId {
  return VmId.parse(randomUUID());
}

/** Explains what is wrong with a VM name, or undefined: 1-63 of a-z 0-9 '-', no '-' at either end (a DNS label). */
export function vmNameProblem(name: string): string | undefined {
  if (name.length === 0) return "a VM name cannot be empty";
  const bad = [...name].findIndex((char) => !/[a-z0-9-]/.test(char));
  if (bad >= 0) {
    const char = [...name][bad] ?? "";
    const upper = /[A-Z]/.test(char) ? "; use lower case" : "";
    return `character ${JSON.stringify(char)} at position ${bad + 1} is not allowed in a VM name (a-z, 0-9, '-')${upper}`;
  }
  if (name.startsWith("-") || name.endsWith("-")) return "a VM name cannot start or end with '-'";
  if (name.length > 63) return `a VM name has at most 63 characters, this one has ${name.length}`;
  return undefined;
}

/** A VM's name: a DNS label, never normalised. */
export const VmName = z
  .string()
  .superRefine((name, ctx) => {
    const message = vmNameProblem(name);
    if (message !== undefined) ctx.addIssue({ code: "custom", message });
  })
  .brand<"VmName">();
export type VmName = z.infer<typeof VmName>;

/** An image in the store: the digest of its root file system's recipe or bytes, `sha256:` and 64 hex digits. */
export const ImageId = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, "not an image digest")
  .brand<"ImageId">();
export type ImageId = z.infer<typeof ImageId>;

/** A kernel in the store, named like an image. */
export const KernelId = z
  .string()
  .regex(/^sha256:[0-9a-f]{64}$/, "not a kernel digest")
  .brand<"KernelId">();
export type KernelId = z.infer<typeof KernelId>;
