/**
 * The owner contract: every call between `banger` and `bangerd`, as data. Client and server types follow from it.
 *
 * A method that takes long declares `events`; it is cancelled by the client's abort. Bytes never travel in JSON: a
 * method that needs them emits a `tickets` event (or returns a ticket), and the client opens a second connection to
 * the same socket, names the ticket, and has a raw duplex stream with backpressure and half-close from there on.
 */
import { z } from "zod";
import { commandBytes, maxCommandBytes, VmId, VmName, VmSpec, VmState, Workspace } from "../base/base.ts";
import type { EventsOf, ParamsOf, ResultOf, Table } from "./table.ts";

export { VmSpec, VmState, Workspace };

/** Says that a stream waits for the holder: 128 bits, used once, void after 30 s or when its call ends. */
export const Ticket = z.string().regex(/^[0-9a-f]{32}$/);

/** A VM by name, full id or unique id prefix. */
const Ref = z.string().min(1).max(128);
const Path = z.string().min(1).max(4096).startsWith("/");

/** What the world may know about a VM: the record that list and show print. Times are ISO 8601 in UTC. */
export const Vm = z.strictObject({
  id: VmId,
  name: VmName,
  state: VmState,
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
  /** How it was started last, or is to be; null where nobody knows any more. */
  start: z
    .discriminatedUnion("how", [
      z.strictObject({ how: z.literal("warm"), template: z.string() }),
      z.strictObject({ how: z.literal("cold"), why: z.string() }),
    ])
    .nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
  startedAt: z.string().nullable(),
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
const LifecycleEvent = z.discriminatedUnion("kind", [StageEvent, ReservedEvent, WarningEvent]);
export type LifecycleEvent = z.infer<typeof LifecycleEvent>;
const TransferEvent = z.discriminatedUnion("kind", [StageEvent, TicketsEvent, WarningEvent]);
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
  /** Boot it, even if there is a template that it could go on from. */
  cold: z.boolean().optional(),
  /** The VM lives no longer than the connection that made it: deleted when that ends, however it ends (`--rm`). */
  ephemeral: z.boolean(),
});

const Provenance = z.enum(["config", "auto", "builtin"]);
export const Defaults = z.strictObject({
  vcpu: z.strictObject({ value: z.int(), from: Provenance }),
  memoryMiB: z.strictObject({ value: z.int(), from: Provenance }),
  diskBytes: z.strictObject({ value: z.int(), from: Provenance }),
  overlayBytes: z.strictObject({ value: z.int(), from: Provenance }),
  image: z.strictObject({ value: z.string(), from: Provenance }),
  configPath: z.string(),
});
export type Defaults = z.infer<typeof Defaults>;

export const ImageInfo = z.strictObject({
  id: z.string(),
  name: z.string(),
  kind: z.enum(["recipe", "bundle"]),
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
});
export type ImageInfo = z.infer<typeof ImageInfo>;

export const KernelInfo = z.strictObject({
  id: z.string(),
  name: z.string(),
  present: z.boolean(),
  version: z.string(),
  description: z.string(),
  sizeBytes: z.number().nullable(),
  createdAt: z.string().nullable(),
  path: z.string().nullable(),
});
export type KernelInfo = z.infer<typeof KernelInfo>;

export const TemplateInfo = z.strictObject({
  key: z.string(),
  /** The image's id. */
  image: z.string(),
  vcpu: z.int(),
  memoryMiB: z.int(),
  /** Allocated bytes on the host. */
  sizeBytes: z.number(),
  createdAt: z.string(),
  lastUsedAt: z.string(),
});
export type TemplateInfo = z.infer<typeof TemplateInfo>;

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

const none = z.strictObject({});
const vmRef = z.strictObject({ ref: Ref });

function contract<const T extends Table>(table: T): T {
  return table;
}

export const owner = contract({
  ping: {
    summary: "answers with the daemon's version, and with how many commands others have under way",
    params: none,
    result: z.strictObject({
      version: z.string(),
      commit: z.string(),
      pid: z.int(),
      others: z.int().optional(),
    }),
  },
  "daemon.status": {
    summary: "what the daemon is and what it runs with",
    params: none,
    result: DaemonStatus,
  },
  "daemon.stop": { summary: "ends the daemon; VMs keep running", params: none, result: none },
  "config.defaults": { summary: "sizes a new VM gets, and why", params: none, result: Defaults },
  "vm.create": {
    summary: "makes a VM, building image and kernel when they are not there yet, and starts it if asked",
    params: CreateParams,
    result: Vm,
    events: LifecycleEvent,
  },
  "vm.start": { summary: "starts a stopped VM", params: vmRef, result: Vm, events: LifecycleEvent },
  "vm.stop": {
    summary: "stops a VM in order, keeping its disks",
    params: vmRef,
    result: Vm,
    events: LifecycleEvent,
  },
  "vm.restart": { summary: "stops and starts a VM", params: vmRef, result: Vm, events: LifecycleEvent },
  "vm.set": {
    summary: "changes a stopped VM's size, or a VM's way out",
    params: z.strictObject({
      ref: Ref,
      vcpu: VmSpec.shape.vcpu.optional(),
      memoryMiB: VmSpec.shape.memoryMiB.optional(),
      diskBytes: VmSpec.shape.diskBytes.optional(),
      nat: z.boolean().optional(),
    }),
    result: Vm,
    events: LifecycleEvent,
  },
  "vm.kill": {
    summary: "ends a VM at once by a signal to its VMM",
    params: z.strictObject({ ref: Ref, signal: z.int().min(1).max(31) }),
    result: Vm,
    events: LifecycleEvent,
  },
  "vm.delete": {
    summary: "stops a VM and removes all of it; with `idle` only when it does not run",
    params: vmRef.extend({ idle: z.boolean().optional() }),
    result: none,
    events: LifecycleEvent,
  },
  "vm.list": { summary: "all VMs", params: none, result: z.array(Vm) },
  "vm.show": { summary: "one VM", params: vmRef, result: Vm },
  "vm.resolve": {
    summary: "resolves several references against one snapshot of the VMs, deduplicated, in first-seen order",
    params: z.strictObject({ refs: z.array(Ref).min(1).max(1000) }),
    result: z.array(
      z.union([
        z.strictObject({ ref: Ref, vm: Vm }),
        z.strictObject({
          ref: Ref,
          error: z.strictObject({ code: z.string(), message: z.string(), hint: z.string().optional() }),
        }),
      ]),
    ),
  },
  "vm.logs": {
    summary: "a VM's console or VMM log as raw bytes",
    params: z.strictObject({ ref: Ref, source: z.enum(["console", "vmm"]), follow: z.boolean() }),
    result: z.strictObject({ ticket: Ticket }),
  },
  "vm.ssh": { summary: "what OpenSSH needs to get into a VM", params: vmRef, result: SshAccess },
  "guest.exec": {
    summary: "runs a command in a guest; the result is its exit status",
    params: z.strictObject({
      ref: Ref,
      argv: z
        .array(z.string())
        .min(1)
        .refine((argv) => commandBytes(argv) <= maxCommandBytes, `has more than ${maxCommandBytes} bytes`),
      env: z.record(z.string().min(1).max(256), z.string().max(128 * 1024)).optional(),
      /** Default: the VM's workspace, else /root. */
      cwd: Path.optional(),
      tty: z
        .strictObject({
          columns: z.int().min(1).max(65535),
          rows: z.int().min(1).max(65535),
          term: z.string().max(64),
        })
        .optional(),
    }),
    result: z.strictObject({ status: z.int().min(0).max(255) }),
    events: TransferEvent,
  },
  "guest.resize": {
    summary: "tells a running guest.exec its terminal's new size",
    params: z.strictObject({
      op: z.string(),
      columns: z.int().min(1).max(65535),
      rows: z.int().min(1).max(65535),
    }),
    result: none,
  },
  "guest.signal": {
    summary: "sends a signal to the process group of a running guest.exec",
    params: z.strictObject({ op: z.string(), signal: z.int().min(1).max(64) }),
    result: none,
  },
  "guest.connect": {
    summary: "a stream to a TCP port of a guest's loopback",
    params: z.strictObject({ ref: Ref, port: z.int().min(1).max(65535) }),
    /** `warning`: what a person should know of the way that the stream goes. */
    result: z.strictObject({ ticket: Ticket, warning: z.string().optional() }),
  },
  "workspace.import": {
    summary:
      "unpacks a tar stream into a guest (waiting for it to boot) and records it as the VM's workspace",
    params: z.strictObject({ ref: Ref, workspace: Workspace }),
    result: z.strictObject({ files: z.int(), bytes: z.number() }),
    events: TransferEvent,
  },
  "image.list": {
    summary: "images in the store and, if asked, in the catalog",
    params: z.strictObject({ available: z.boolean() }),
    result: z.array(ImageInfo),
  },
  "image.show": { summary: "one image", params: vmRef, result: ImageInfo },
  "image.pull": {
    summary: "builds or fetches an image and its kernel",
    params: vmRef,
    result: ImageInfo,
    events: LifecycleEvent,
  },
  "image.delete": { summary: "removes an image that no VM uses", params: vmRef, result: none },
  "template.list": {
    summary: "templates, the one used last first",
    params: none,
    result: z.array(TemplateInfo),
  },
  "template.prune": {
    summary: "removes all templates; VMs that run are none the worse",
    params: none,
    result: z.strictObject({ removed: z.int(), bytes: z.number() }),
  },
  "kernel.list": {
    summary: "kernels in the store and, if asked, in the catalog",
    params: z.strictObject({ available: z.boolean() }),
    result: z.array(KernelInfo),
  },
  "kernel.show": { summary: "one kernel", params: vmRef, result: KernelInfo },
  "kernel.pull": {
    summary: "builds or fetches a kernel",
    params: z.strictObject({ ref: Ref, force: z.boolean() }),
    result: KernelInfo,
    events: LifecycleEvent,
  },
  "kernel.remove": { summary: "removes a kernel that no image or VM uses", params: vmRef, result: none },
});

export type Owner = typeof owner;
export type Method = keyof Owner;
export type Params<M extends Method> = ParamsOf<Owner, M>;
export type Result<M extends Method> = ResultOf<Owner, M>;
export type Events<M extends Method> = EventsOf<Owner, M>;
