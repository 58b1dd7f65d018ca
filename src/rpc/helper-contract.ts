/**
 * The helper contract: every privileged effect of the product, as data. bangerd asks, bangerd-root does.
 *
 * Nothing free-form crosses it: a VM is its id, an image or a kernel its digest, a signal one of a few names. Paths,
 * device names and command lines are the helper's own. Whatever makes something is undone by a method of the same
 * group, for which absent is success.
 */
import { z } from "zod";
import { ImageId, KernelId, VmId } from "../base/ids.ts";
import type { Table } from "./table.ts";

const vm = z.strictObject({ vm: VmId });
const none = z.strictObject({});
/** Of the bridge's own subnet; the helper checks that. */
const Address = z.ipv4();
/** Locally administered, unicast. */
const Mac = z.string().regex(/^[0-9a-f][26ae](:[0-9a-f]{2}){5}$/, "not a local MAC address");
/** IFNAMSIZ of linux/if.h, less its NUL. */
const InterfaceName = z.string().regex(/^[a-z0-9-]{1,15}$/);

const Process = z.strictObject({
  pid: z.int().positive(),
  startTicks: z.number(),
  bootId: z.string(),
});

/** What there is of one VM in the kernel and in the jails, whoever made it and whenever. */
const Presence = z.strictObject({
  vm: VmId,
  process: Process.nullable(),
  jail: z.boolean(),
  cgroup: z.boolean(),
  snapshot: z.boolean(),
  overlayLoop: z.boolean(),
  tap: InterfaceName.nullable(),
  nat: z.boolean(),
});
export type Presence = z.infer<typeof Presence>;

/** Directory of the state in which the VM's files are: those of a template that is being made are beside the others. */
const Home = z.enum(["vms", "templates"]);
export type Home = z.infer<typeof Home>;
/**
 * What a machine goes on from, by the name of its directory: a template (see templateName of the warm room), or a checkpoint, a
 * lower-case UUID.
 */
const Saved = z.union([
  z.strictObject({ template: z.string().regex(/^[0-9a-f]{32}$/, "not the key of a template") }),
  z.strictObject({
    checkpoint: z
      .string()
      .regex(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/, "not a checkpoint"),
  }),
]);
export type Saved = z.infer<typeof Saved>;

/**
 * What Firecracker finds in its jail, as it names it in there: a saved machine goes on only where its files have the names
 * that they had. The two sockets are made by Firecracker itself; memory and state are there in a jail that is made to go
 * on from a template or a checkpoint.
 */
export const jailFiles = {
  kernel: "/vmlinux",
  initramfs: "/initramfs.cpio",
  rootDisk: "/root.dev",
  workDisk: "/work.ext4",
  memory: "/template.memory",
  state: "/template.state",
  apiSocket: "/run/firecracker.socket",
  vsock: "/run/vsock.sock",
} as const;

export const helper = {
  ping: {
    summary: "version and process id of the helper",
    params: none,
    result: z.strictObject({ version: z.string(), commit: z.string(), pid: z.int().positive() }),
  },
  "bridge.ensure": {
    summary: "the bridge that VMs are attached to, with its address and firewall",
    params: none,
    result: z.strictObject({ name: InterfaceName, address: z.ipv4(), prefix: z.int().min(8).max(32) }),
  },
  "tap.acquire": {
    summary:
      "a TAP device of the VM's own on the bridge; what comes through it has this MAC and address or is dropped",
    params: z.strictObject({ vm: VmId, address: Address, mac: Mac }),
    /** `nat`: of one that the VM had already. */
    result: z.strictObject({ tap: InterfaceName, nat: z.boolean() }),
  },
  "tap.release": { summary: "gives the VM's TAP back, with its firewall rules", params: vm, result: none },
  "nat.set": {
    summary: "lets a VM reach the network outside, or no longer",
    params: z.strictObject({ vm: VmId, on: z.boolean() }),
    result: none,
  },
  "path.probe": {
    summary:
      "whether what a guest with NAT sends gets through: a TAP for a moment, and by it a ping to the bridge and a name's query",
    params: z.strictObject({
      /** The name server to ask; null: only the bridge is pinged, without NAT. */
      server: z.ipv4().nullable(),
    }),
    /** How long the answers took, in ms; null where none came. */
    result: z.strictObject({ bridgeMs: z.number().nullable(), serverMs: z.number().nullable() }),
  },
  "disk.attach": {
    summary: "the VM's root disk: a dm-snapshot of the image's file with the VM's own layer",
    params: z.strictObject({ vm: VmId, image: ImageId, home: Home.optional() }),
    result: z.strictObject({ device: z.string(), major: z.int(), minor: z.int() }),
  },
  "disk.check": {
    summary: "repairs the root disk's file system as far as that needs no decision",
    params: vm,
    result: z.strictObject({ repaired: z.boolean() }),
  },
  "disk.status": {
    summary: "how full the VM's layer is",
    params: vm,
    result: z.strictObject({ usedSectors: z.int(), totalSectors: z.int(), overflowed: z.boolean() }),
  },
  "disk.flush": {
    summary: "what a machine has written to the root disk is in the VM's layer, and on the host's disk",
    params: vm,
    result: none,
  },
  "disk.detach": { summary: "takes the root disk's devices away; files stay", params: vm, result: none },
  "machine.launch": {
    summary: "a jailed Firecracker for the VM, waiting at its API socket",
    params: z.strictObject({
      vm: VmId,
      home: Home.optional(),
      /** Its memory and state are to be in the jail, for reading. */
      saved: Saved.optional(),
      kernel: KernelId,
      /** File name beside the kernel. */
      initramfs: z.string().regex(/^initramfs-[0-9a-f]{32}\.cpio$/),
      vcpu: z.int().min(1).max(64),
      memoryMiB: z
        .int()
        .min(128)
        .max(1024 * 1024),
    }),
    result: z.strictObject({ process: Process }),
  },
  "machine.signal": {
    summary: "signals the VM's Firecracker, and no other process",
    params: z.strictObject({
      vm: VmId,
      signal: z.enum(["TERM", "KILL", "INT", "HUP", "QUIT", "USR1", "USR2", "ABRT"]),
    }),
    result: none,
  },
  "machine.end": {
    summary: "ends what is left of the VM's Firecracker and removes its jail and control group",
    params: vm,
    result: none,
  },
  "resolver.route": {
    summary: "has systemd-resolved ask banger's name server for .vm names",
    params: z.strictObject({ port: z.int().min(1024).max(65535) }),
    /** False on a host on which systemd-resolved does not run. */
    result: z.strictObject({ asks: z.boolean() }),
  },
  "resolver.clear": { summary: "takes that back", params: none, result: none },
  inventory: {
    summary: "everything of banger's that is in the kernel or in the jails",
    params: none,
    result: z.strictObject({
      vms: z.array(Presence),
      baseLoops: z.int(),
      idleTaps: z.int(),
      bridge: InterfaceName.nullable(),
    }),
  },
} as const satisfies Table;

export type Helper = typeof helper;
export type HelperMethod = keyof typeof helper;
export type HelperParams<M extends HelperMethod> = z.infer<(typeof helper)[M]["params"]>;
export type HelperResult<M extends HelperMethod> = z.infer<(typeof helper)[M]["result"]>;
