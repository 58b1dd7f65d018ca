/** What a VM is, in the words that its row, the contract and the domain share. */
import { z } from "zod";

export const VmState = z.enum([
  "created",
  "starting",
  "running",
  "paused",
  "suspended",
  "stopping",
  "stopped",
  "error",
]);
export type VmState = z.infer<typeof VmState>;

export const VmSpec = z.strictObject({
  vcpu: z.int().min(1).max(64),
  memoryMiB: z
    .int()
    .min(128)
    .max(1024 * 1024),
  /** Size of the work disk, mounted at /root. */
  diskBytes: z.int().positive(),
  /** Size of the root disk as the guest sees it; writes go to a sparse layer over the image. */
  overlayBytes: z.int().positive(),
  nat: z.boolean(),
});
export type VmSpec = z.infer<typeof VmSpec>;

export const Workspace = z.strictObject({
  /** Absolute, in the guest. */
  guestPath: z.string().min(1).max(4096).startsWith("/"),
  hostPath: z.string(),
  /** HEAD commit of the host repository when it was copied. */
  head: z.string(),
  /** What the repository wants in the environment of all commands. */
  env: z.record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/), z.string().max(4096)).optional(),
  /** It says by files of mise which tools it needs: commands get what there is of them. */
  tools: z.literal(true).optional(),
  /** What was copied beside tracked files, so that it can be again. */
  untracked: z.boolean().optional(),
  include: z.array(z.string().min(1).max(4096)).max(1000).optional(),
  /** Digest by which it is seen whether something of that has changed since. */
  included: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});
export type Workspace = z.infer<typeof Workspace>;
