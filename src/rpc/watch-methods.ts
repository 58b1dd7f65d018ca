/** The owner contract's part for those who watch: what VMs take, and what happens; see contract.ts. */
import { z } from "zod";
import { Ref, Vm } from "./records.ts";
import type { Table } from "./table.ts";

const bytes = z.number();
const Space = z.strictObject({
  allocatedBytes: bytes,
  /** As large as it is for the guest. */
  apparentBytes: bytes,
});

export const VmStats = z.strictObject({
  /** Without what costs something to find out: `cost` and `layer` are null. */
  vm: Vm,
  /** Of a clock that only goes forward: two samples make a rate. In ms. */
  atMs: z.number(),
  /** Since its machine runs; null where none does. */
  uptimeMs: z.number().nullable(),
  /** The machine as its host sees it, the VMM included; null where there is none. Processor time since it began. */
  host: z
    .strictObject({
      cpuMs: z.number(),
      residentBytes: bytes,
      /** Without pages of files, which the kernel drops when it needs the room; null where it does not say. */
      ownBytes: bytes.nullable(),
      /** Its own, and its share of what it has in common with others (PSS); null where only root may know it. */
      proportionalBytes: bytes.nullable(),
    })
    .nullable(),
  disk: z.strictObject({ root: Space, work: Space }),
  /** Since its link was made; null where its network is the VMM's own. */
  network: z.strictObject({ receivedBytes: bytes, sentBytes: bytes }).nullable(),
  /** As it sees itself; null with the reason in `guestSilent`. */
  guest: z
    .strictObject({
      uptimeSeconds: z.number(),
      load: z.tuple([z.number(), z.number(), z.number()]).readonly(),
      memoryTotalBytes: bytes,
      memoryAvailableBytes: bytes,
      rootTotalBytes: bytes,
      rootFreeBytes: bytes,
      workTotalBytes: bytes,
      workFreeBytes: bytes,
      processes: z.number(),
    })
    .nullable(),
  guestSilent: z.string().nullable(),
});
export type VmStats = z.infer<typeof VmStats>;

export const happeningKinds = [
  "vm.created",
  "vm.started",
  "vm.stopped",
  "vm.paused",
  "vm.resumed",
  "vm.suspended",
  "vm.restored",
  "vm.changed",
  "vm.deleted",
  "vm.failed",
  "snapshot.created",
  "image.added",
  "image.removed",
  "image.failed",
  "kernel.added",
  "kernel.removed",
  "kernel.failed",
  "template.made",
  "template.removed",
  "events.dropped",
] as const;

export const Happening = z.strictObject({
  /** ISO 8601 in UTC. */
  time: z.string(),
  kind: z.enum(happeningKinds),
  /** What it happened to; null for what concerns the reader alone. */
  subject: z.strictObject({ id: z.string(), name: z.string() }).nullable(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
});
export type Happening = z.infer<typeof Happening>;

export const watchMethods = {
  "vm.stats": {
    summary: "what VMs take at this moment; of all where none is named. Wakes none, and is no use of them",
    params: z.strictObject({
      refs: z.array(Ref).max(1000),
      /** Ask the guests, too. */
      guest: z.boolean(),
    }),
    result: z.array(VmStats),
  },
  "vm.ping": {
    summary: "a round trip to a VM's guest; wakes none, and is no use of it",
    params: z.strictObject({ ref: Ref }),
    /** By which way it was asked, and how long its answer took. */
    result: z.strictObject({ by: z.enum(["agent", "ssh"]), ms: z.number() }),
  },
  "events.follow": {
    summary:
      "what happens to VMs, images, kernels and templates, as it does, until it is cancelled; a reader that is slow is told how many it missed",
    params: z.strictObject({
      /** First those of the last so many ms, as far as they are still known; absent: none. */
      sinceMs: z.number().min(0).optional(),
      /** False: answers after those. */
      follow: z.boolean(),
    }),
    result: z.strictObject({}),
    events: Happening,
  },
} as const satisfies Table;
