/**
 * The owner contract: every call between `banger` and `bangerd`, as data. Client and server types follow from it.
 *
 * A method that takes long declares `events`; it is cancelled by the client's abort. Bytes never travel in JSON: a
 * method that needs them emits a `tickets` event (or returns a ticket), and the client opens a second connection to
 * the same socket, names the ticket, and has a raw duplex stream with backpressure and half-close from there on.
 */
import { z } from "zod";
import { commandBytes, maxCommandBytes } from "../base/base.ts";
import { VmName } from "../base/ids.ts";
import { VmSpec, Workspace } from "../base/vm.ts";
import { artifactMethods } from "./artifact-methods.ts";
import { fileMethods } from "./file-methods.ts";
import {
  CreateParams,
  DaemonStatus,
  Defaults,
  DiskUsage,
  GuestUser,
  LifecycleEvent,
  Path,
  Ref,
  Snapshot,
  SnapshotName,
  SshAccess,
  SshConfig,
  TemplateInfo,
  Ticket,
  TransferEvent,
  Vm,
} from "./records.ts";
import type { EventsOf, ParamsOf, ResultOf, Table } from "./table.ts";
import { watchMethods } from "./watch-methods.ts";

export * from "./records.ts";
export { Happening, VmStats } from "./watch-methods.ts";

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
      /** The directory of its VMs. */
      state: z.string().optional(),
    }),
  },
  "daemon.status": {
    summary: "what the daemon is and what it runs with",
    params: none,
    result: DaemonStatus,
  },
  "daemon.stop": { summary: "ends the daemon; VMs keep running", params: none, result: none },
  "daemon.operations.list": {
    summary: "the calls that others have under way; for a connection of theirs without one, an entry too",
    params: none,
    result: z.array(
      z.strictObject({ method: z.string().nullable(), op: z.string().nullable(), ms: z.number() }),
    ),
  },
  "disk.usage": {
    summary: "what banger keeps on the disk of the host, and what of it no VM needs that runs",
    params: none,
    result: DiskUsage,
  },
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
  "vm.pause": {
    summary: "halts a running VM's processors",
    params: vmRef,
    result: Vm,
    events: LifecycleEvent,
  },
  "vm.fork": {
    summary: "makes copies of a running VM that run on from where it is, each with an identity of its own",
    params: z.strictObject({ ref: Ref, name: VmName.optional(), count: z.int().min(1).max(64) }),
    /** `haltedMs`: for how long the original stood still. */
    result: z.strictObject({ vms: z.array(Vm), haltedMs: z.number() }),
    events: LifecycleEvent,
  },
  "vm.suspend": {
    summary: "saves a VM's memory and ends its machine; its next start goes on from there",
    params: vmRef,
    result: Vm,
    events: LifecycleEvent,
  },
  "snapshot.create": {
    summary: "keeps what a running VM is now, memory and disks",
    params: vmRef.extend({ name: SnapshotName.optional() }),
    result: Snapshot.extend({ haltedMs: z.number() }),
    events: LifecycleEvent,
  },
  "snapshot.list": {
    summary: "a VM's snapshots, or all of them, the oldest first",
    params: z.strictObject({ ref: Ref.optional() }),
    result: z.array(Snapshot),
  },
  "snapshot.restore": {
    summary: "makes a VM what it was when the snapshot was taken",
    params: vmRef.extend({ name: SnapshotName }),
    result: Vm,
    events: LifecycleEvent,
  },
  "snapshot.delete": {
    summary: "removes a snapshot",
    params: vmRef.extend({ name: SnapshotName }),
    result: none,
  },
  "vm.resume": {
    summary: "lets a paused VM go on, with the right time",
    params: vmRef,
    result: Vm,
    events: LifecycleEvent,
  },
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
    summary:
      "stops a VM and removes all of it; with `idle` only when it does not run; with `soon`, of one that is ephemeral, answers at once: it is gone before the next question about VMs is answered",
    params: vmRef.extend({ idle: z.boolean().optional(), soon: z.boolean().optional() }),
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
    summary: "a VM's console or VMM log as raw bytes, or the daemon's lines about it",
    params: z.strictObject({
      ref: Ref,
      source: z.enum(["console", "vmm", "daemon"]),
      follow: z.boolean(),
      /** Only so many of the last lines, and what comes; absent: all. */
      tail: z.int().min(0).max(1_000_000).optional(),
    }),
    result: z.strictObject({ ticket: Ticket }),
  },
  "vm.ssh": { summary: "what OpenSSH needs to get into a VM", params: vmRef, result: SshAccess },
  "ssh.config": {
    summary: "what an OpenSSH needs to get into any VM by its name",
    params: none,
    result: SshConfig,
  },
  "guest.exec": {
    summary: "runs a command in a guest; the result is its exit status",
    params: z.strictObject({
      ref: Ref,
      argv: z
        .array(z.string())
        .min(1)
        .refine((argv) => commandBytes(argv) <= maxCommandBytes, `has more than ${maxCommandBytes} bytes`),
      env: z.record(z.string().min(1).max(256), z.string().max(128 * 1024)).optional(),
      /** Default: the VM's workspace, else the image's working directory, else /root. */
      cwd: Path.optional(),
      /** `USER` or `USER:GROUP`, names or numbers. Default: root in a workspace, else the image's user. */
      user: GuestUser.optional(),
      /** False: not through mise, though the workspace has files of it. */
      tools: z.literal(false).optional(),
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
  ...fileMethods,
  ...artifactMethods,
  ...watchMethods,
  "template.list": {
    summary: "templates, the one used last first, and how many are being made or are to be",
    params: none,
    result: z.strictObject({ templates: z.array(TemplateInfo), coming: z.int() }),
  },
  "template.prune": {
    summary: "removes all templates; VMs that run are none the worse",
    params: none,
    result: z.strictObject({ removed: z.int(), bytes: z.number() }),
  },
});

export type Owner = typeof owner;
export type Method = keyof Owner;
export type Params<M extends Method> = ParamsOf<Owner, M>;
export type Result<M extends Method> = ResultOf<Owner, M>;
export type Events<M extends Method> = EventsOf<Owner, M>;
