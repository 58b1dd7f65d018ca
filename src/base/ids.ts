/** Branded identifiers. A value of these types has passed its grammar; nothing else makes one. */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import { vmNameProblem } from "./vm-name.ts";

/** A VM's identity for life: a lower-case UUID. Kernel objects and processes carry it, so that reconcile knows its own. */
export const VmId = z
  .string()
  .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, "not a VM id")
  .brand<"VmId">();
export type VmId = z.infer<typeof VmId>;

export function newVmId(): VmId {
  return VmId.parse(randomUUID());
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
