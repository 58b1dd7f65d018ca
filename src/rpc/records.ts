/** What calls of the owner contract say and answer: records, events, and what long calls are asked for. */
import { z } from "zod";
import { artifactNameGrammar, artifactNameRule, guestUserRule, isGuestUser } from "../base/base.ts";
import { VmId, VmName } from "../base/ids.ts";
import { VmSpec, VmState, Workspace } from "../base/vm.ts";

export { VmSpec, VmState, Workspace };

/** Says that a stream waits for the holder: 128 bits, used once, void after 30 s or when its call ends. */
export const Ticket = z.string().regex(/^[0-9a-f]{32}$/);

/** A VM by name, full id or unique id prefix. */
export const Ref = z.string().min(1).max(128);
export const GuestUser = z.string().refine(isGuestUser, guestUserRule);
export const Path = z.string().min(1).max(4096).startsWith("/");

/** What the world may know about a VM: the record that list and show print. Times are ISO 8601 in UTC. */
export const Vm = z.strictObject({
  id: VmId,
  name: VmName,
  state: VmState,
  /** Suspended because nobody used it: whoever comes lets it go on. */
  asleep: z.boolean(),
  image: z.strictObject({ id: z.string(), name: z.string() }),
  kernel: z.strictObject({ id: z.string(), name: z.string() }),
  spec: VmSpec,
  driver: z.string(),
  ip: z.string().nullable(),
  ephemeral: z.boolean(),
  workspace: Workspace.nullable(),
  /** Why it is in state error, or what went wrong last. */
  lastError: z.string().nullable(),
  pid: z.int().nullable(),
  consoleLog: z.string(),
  /** How its guest was talked to last, and why when that was not by its agent; null when it was not, or cannot be. */
  channel: z.strictObject({ by: z.enum(["agent", "ssh"]), because: z.string().nullable() }).nullable(),
  /** How full the root disk's layer is; null while the VM does not run, and where it is a file that grows. */
  layer: z.strictObject({ usedBytes: z.int(), totalBytes: z.int(), overflowed: z.boolean() }).nullable(),
  /**
   * What it takes of its host: memory of its machine (null where there is none), and disk space. Shared is what a template, forks
   * or snapshots have in common with it. Null but in `vm.list` and `vm.show`.
   */
  cost: z
    .strictObject({
      memory: z.strictObject({ ownBytes: z.number(), sharedBytes: z.number() }).nullable(),
      disk: z.strictObject({ ownBytes: z.number(), sharedBytes: z.number() }),
    })
    .nullable(),
  /** How it was started last, or is to be; null where nobody knows any more. */
  start: z
    .discriminatedUnion("how", [
      z.strictObject({ how: z.literal("warm"), template: z.string() }),
      z.strictObject({ how: z.literal("cold"), why: z.string() }),
      z.strictObject({ how: z.literal("resumed"), from: z.string() }),
    ])
    .nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
  startedAt: z.string().nullable(),
  /** When a command, a session or a connection of somebody's was open in it last; null where nobody knows. */
  usedAt: z.string().nullable(),
});
export type Vm = z.infer<typeof Vm>;

/** Progress of a long call. `stage` names are stable: logs and the progress display rely on them. */
export const StageEvent = z.strictObject({
  kind: z.literal("stage"),
  stage: z.string(),
  status: z.enum(["begin", "progress", "done"]),
  /** What a person reads; may change while the stage goes on. */
  message: z.string().optional(),
  /** Why this, and not something quicker. */
  because: z.string().optional(),
  done: z.number().optional(),
  total: z.number().optional(),
  unit: z.enum(["bytes", "items"]).optional(),
  /** On done: how long it took. */
  ms: z.number().optional(),
});
export type StageEvent = z.infer<typeof StageEvent>;

/** The row exists; the id may be used in other calls while this one goes on. */
const ReservedEvent = z.strictObject({ kind: z.literal("reserved"), vm: Vm });
const WarningEvent = z.strictObject({ kind: z.literal("warning"), message: z.string() });
const TicketsEvent = z.strictObject({
  kind: z.literal("tickets"),
  /** exec: stdin up and stdout down. import: tar up. */
  stdio: Ticket,
  stderr: Ticket.optional(),
});
export const LifecycleEvent = z.discriminatedUnion("kind", [StageEvent, ReservedEvent, WarningEvent]);
export type LifecycleEvent = z.infer<typeof LifecycleEvent>;
export const TransferEvent = z.discriminatedUnion("kind", [StageEvent, TicketsEvent, WarningEvent]);
export type TransferEvent = z.infer<typeof TransferEvent>;

/** What `vm create` and `vm run` ask for; what is absent follows from config, host and constants, in this order. */
export const CreateParams = z.strictObject({
  name: VmName.optional(),
  image: z.string().min(1).max(256).optional(),
  vcpu: z.int().min(1).max(64).optional(),
  memoryMiB: z
    .int()
    .min(128)
    .max(1024 * 1024)
    .optional(),
  diskBytes: z.int().positive().optional(),
  overlayBytes: z.int().positive().optional(),
  nat: z.boolean().optional(),
  start: z.boolean(),
  /** A workspace.import follows: the guest gets its work disk only with the workspace on it. Goes with `start`. */
  workspace: z.boolean().optional(),
  /** Boot it, even if there is a template that it could go on from. */
  cold: z.boolean().optional(),
  /** Nothing of the user's own goes into it (file_sync): it becomes an image. */
  bare: z.boolean().optional(),
  /** The VM lives no longer than the connection that made it: deleted when that ends, however it ends (`--rm`). */
  ephemeral: z.boolean(),
});

/** Of an image or a kernel in the store. */
export const ArtifactName = z.string().regex(artifactNameGrammar, artifactNameRule);

/** What `image pull` asks for; all but `ref` is for container images. */
export const PullParams = z.strictObject({
  /** A name of the catalog, else a container image: a reference, or a transport with an absolute path. */
  ref: z.string().min(1).max(4608),
  /** In the store. */
  name: ArtifactName.optional(),
  /** Of the root file system. */
  sizeBytes: z
    .int()
    .positive()
    .max(16 * 1024 ** 4)
    .optional(),
  kernel: Ref.optional(),
  /** Speak plain http with its registry. */
  insecureHttp: z.boolean().optional(),
  /** What is told of where it came from, in place of `ref`, which may be a file that goes. */
  recordedAs: z.string().min(1).max(4608).optional(),
});

const Provenance = z.enum(["config", "auto", "builtin"]);
export const Defaults = z.strictObject({
  vcpu: z.strictObject({ value: z.int(), from: Provenance }),
  memoryMiB: z.strictObject({ value: z.int(), from: Provenance }),
  diskBytes: z.strictObject({ value: z.int(), from: Provenance }),
  overlayBytes: z.strictObject({ value: z.int(), from: Provenance }),
  image: z.strictObject({ value: z.string(), from: Provenance }),
  /** Whether a repository that asks for the way out gets it. */
  projectNat: z.boolean(),
  configPath: z.string(),
  /** The file has changed since the daemon read it, when it started. */
  configChanged: z.boolean(),
});
export type Defaults = z.infer<typeof Defaults>;

export const ImageInfo = z.strictObject({
  id: z.string(),
  name: z.string(),
  kind: z.enum(["recipe", "bundle", "oci", "registered", "copied", "saved", "provisioned"]),
  /** In the store (true) or only in the catalog. */
  present: z.boolean(),
  /** Built by an older recipe than this banger's. */
  outdated: z.boolean(),
  description: z.string(),
  kernel: z.string(),
  /** Allocated bytes on the host; null when not present. */
  sizeBytes: z.number().nullable(),
  createdAt: z.string().nullable(),
  path: z.string().nullable(),
  /** Of an imported container image; null for others. */
  oci: z
    .strictObject({
      reference: z.string(),
      /** Of its manifest. */
      digest: z.string(),
      env: z.array(z.string()),
      entrypoint: z.array(z.string()),
      cmd: z.array(z.string()),
      workingDir: z.string(),
      user: z.string(),
      /** What a person should know before a VM is made of it. */
      caveat: z.string(),
    })
    .nullable(),
});
export type ImageInfo = z.infer<typeof ImageInfo>;

export const ImageDetails = ImageInfo.extend({
  /** What new VMs of it go on from. */
  templates: z.strictObject({ count: z.int(), sizeBytes: z.number() }),
});

export const KernelInfo = z.strictObject({
  id: z.string(),
  name: z.string(),
  present: z.boolean(),
  /** The user's own, which no catalog has. */
  imported: z.boolean(),
  version: z.string(),
  description: z.string(),
  sizeBytes: z.number().nullable(),
  createdAt: z.string().nullable(),
  path: z.string().nullable(),
});
export type KernelInfo = z.infer<typeof KernelInfo>;

export const TemplateInfo = z.strictObject({
  key: z.string(),
  image: z.strictObject({
    id: z.string(),
    /** Empty when the image has been deleted. */
    name: z.string(),
  }),
  vcpu: z.int(),
  memoryMiB: z.int(),
  /** Allocated bytes on the host. */
  sizeBytes: z.number(),
  createdAt: z.string(),
  lastUsedAt: z.string(),
  /** A guest that goes on from it waits, halted, to be the next VM. */
  waiting: z.boolean(),
});
export type TemplateInfo = z.infer<typeof TemplateInfo>;

/** What banger keeps on the disk of the host. Bytes are those that are allocated. */
export const DiskUsage = z.strictObject({
  /** Where most of it is, and how much room is left there. */
  directory: Path,
  freeBytes: z.number(),
  /** `saved`: snapshots, and the memory of suspended VMs. */
  parts: z.array(
    z.strictObject({
      what: z.enum(["vm", "saved", "image", "kernel", "template", "cache"]),
      count: z.int(),
      bytes: z.number(),
      /** VMs that do not run, and what no other VM needs; of the rest nothing is counted here. */
      unused: z.array(z.strictObject({ id: z.string(), name: z.string(), bytes: z.number() })),
    }),
  ),
});
export type DiskUsage = z.infer<typeof DiskUsage>;

export const DaemonStatus = z.strictObject({
  pid: z.int(),
  version: z.string(),
  commit: z.string(),
  mode: z.enum(["user", "system"]),
  /** Why this mode: one sentence. */
  modeReason: z.string(),
  socket: z.string(),
  logPath: z.string(),
  stateDir: z.string(),
  startedAt: z.string(),
  rssBytes: z.number(),
  vmsRunning: z.int(),
  vmsTotal: z.int(),
  /** The name server's address and port, null where it has none, and whether the host's own resolver asks it; absent in an older one. */
  names: z.strictObject({ server: z.string().nullable(), routed: z.boolean() }).optional(),
  driver: z.string(),
  /** Whether a VM can run here at all. */
  driverUsable: z.boolean(),
  acceleration: z.string(),
  driverReason: z.string().nullable(),
  /** What to do about it. */
  driverHint: z.string().nullable(),
  diskStrategy: z.string(),
  idleTimeoutMs: z.number(),
});
export type DaemonStatus = z.infer<typeof DaemonStatus>;

/** How a person's OpenSSH gets in: the CLI turns this into arguments. */
export const SshAccess = z.strictObject({
  vm: Vm,
  user: z.string(),
  /** Private key file for authentication. */
  identityFile: z.string(),
  /** banger's own known_hosts with the guest's key pinned under `hostAlias`. */
  knownHostsFile: z.string(),
  hostAlias: z.string(),
});

/** The same for all VMs, as a file that a person's own configuration includes. */
export const SshConfig = z.strictObject({
  identityFile: z.string(),
  /** Of all VMs, each under its name. */
  knownHostsFile: z.string(),
});

export const Snapshot = z.strictObject({
  id: z.string(),
  name: z.string(),
  vm: z.strictObject({ id: VmId, name: z.string() }),
  createdAt: z.string(),
  /** Allocated on the host: memory, and the disks as they were, which the VM stands on too. */
  sizeBytes: z.number(),
});
export type Snapshot = z.infer<typeof Snapshot>;
export const SnapshotName = z.string().regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/);
