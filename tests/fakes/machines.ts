/**
 * A world of machines without a VMM: what VmmDriver promises, in memory. It outlives the daemons that a test "kills",
 * as real machines do, and can be dumped as sorted text to see what is left.
 */
import { truncateSync, writeFileSync } from "node:fs";
import { Duplex, Readable, Writable } from "node:stream";
import { BangerError } from "../../src/base/base.ts";
import { VmId } from "../../src/base/ids.ts";
import type { RootDiskStrategy } from "../../src/disk/disk.ts";
import type { GuestHello, GuestSession, Personality } from "../../src/guest/guest.ts";
import type { HostDevices } from "../../src/vm/vm.ts";
import type { MachineHandle, MachineSpec, VmmDriver } from "../../src/vmm/vmm.ts";

interface FakeMachine {
  handle: MachineHandle;
  spec: MachineSpec;
  id: string;
  ended: PromiseWithResolvers<void>;
  paused: boolean;
}

/** What differs between drivers that can save machines which run. */
export type WorldManner = Pick<VmmDriver["capabilities"], "frozenDisks" | "keepsConnections">;
export const layered: WorldManner = { frozenDisks: "layers", keepsConnections: true };
export const copying: WorldManner = { frozenDisks: "copies", keepsConnections: false };
/** As the two modes have it. */
export const strategyOf = ({ frozenDisks }: WorldManner): RootDiskStrategy =>
  frozenDisks === "layers" ? "overlay" : "snapshot";

export class MachineWorld {
  constructor(private readonly manner: WorldManner = layered) {}

  readonly #machines = new Map<number, FakeMachine>();
  readonly #devices = new Set<string>();
  readonly #streams = new WeakMap<Duplex, number>();
  /** Sessions whose other end is gone, and how many commands each has open. */
  readonly #cut = new WeakSet<Duplex>();
  readonly #open = new Map<number, Set<Duplex>>();
  openStreams = 0;
  #nextPid = 1000;
  /** Guests never reach basic.target. */
  hangs = false;
  /** Of the driver: another one cannot go on with what this one has saved. */
  version = "1";
  /** No saved machine can be gone on with. */
  refusesRestore = false;
  /** No machine can be saved while it runs. */
  refusesCheckpoint = false;
  /** Called when a machine stands still and its memory is saved. */
  whenHalted: (() => void) | undefined;
  /** How often what machines had written to their root disks was asked for. */
  flushed = 0;
  /** Of every guest: its load average of a minute. */
  load = 0;
  /** No machine can be started. */
  refusesStart = false;
  /** No guest gives its work disk back. */
  workDiskInUse = false;
  /** How often a guest was told the time. */
  clocksSet = 0;
  /** All that guests were told they are, and how their root disks were attached, in order. */
  readonly persons: Personality[] = [];
  /** What guests were sent, and how many had been told who they are by then. */
  readonly unpacked: { root: string; archive: Buffer; personsBefore: number }[] = [];
  unpackFails = false;
  readonly attached: { id: string; goesOn: boolean }[] = [];
  /** Addresses of guests that were connected to the network, in order. */
  readonly connected: (string | null)[] = [];
  /** Specs of all starts, in order. */
  readonly started: MachineSpec[] = [];

  dump(): string {
    return [...[...this.#machines.values()].map((machine) => `machine ${machine.id}`), ...this.#devices]
      .sort()
      .join("\n");
  }

  /** The VMs whose machines stand still. */
  paused(): string[] {
    return [...this.#machines.values()].flatMap(({ id, paused }) => (paused ? [id] : [])).sort();
  }

  /** A host that lends devices, each with its VM's id in its name. */
  devices(): HostDevices {
    const id = (device: string) => VmId.parse(device.split(" ")[1]);
    return {
      address: (taken) => `172.16.0.${2 + taken.length}`,
      spareAddress: () => "172.16.0.254",
      attachRoot: async (vm, { goesOn }) => {
        this.attached.push({ id: vm.id, goesOn });
        this.#devices.add(`root ${vm.id}`);
        return { path: "/dev/root", format: "raw" };
      },
      detachRoot: async (vm) => void this.#devices.delete(`root ${vm}`),
      flushRoot: async (vm) => {
        if (!this.#devices.has(`root ${vm}`)) throw new BangerError("precondition", "there is no root disk");
        this.flushed += 1;
      },
      layerOf: async () => undefined,
      connect: async (vm) => {
        this.#devices.add(`tap ${vm.id}`);
        this.connected.push(vm.address);
        const place = { address: vm.address ?? "", prefix: 24, gateway: "172.16.0.1", dns: "172.16.0.1" };
        return { ...place, link: { tap: "tap-pool-0", mac: "02:00:00:00:00:01" } };
      },
      liveEgress: true,
      setEgress: async () => {},
      disconnect: async (vm) => void this.#devices.delete(`tap ${vm}`),
      present: async () => [...new Set([...this.#devices].map(id))],
    };
  }

  /** The machine dies by itself. */
  crash(id: string): void {
    for (const [pid, machine] of this.#machines) if (machine.id === id) this.#end(pid);
  }

  #end(pid: number): void {
    this.#machines.get(pid)?.ended.resolve();
    this.#machines.delete(pid);
  }

  #cutOff(pid: number): void {
    for (const stream of this.#open.get(pid) ?? []) this.#cut.add(stream);
    this.#open.delete(pid);
  }

  #halt({ process }: MachineHandle, paused: boolean): void {
    const machine = this.#machines.get(process.pid);
    if (machine === undefined) throw new BangerError("guest_failed", "there is no such machine");
    machine.paused = paused;
  }

  driver(): VmmDriver {
    const find = (predicate: (machine: FakeMachine) => boolean) =>
      [...this.#machines.values()].filter(predicate).map((machine) => machine.handle);
    return {
      name: "fake",
      capabilities: { qcow2: true, userModeNetwork: true, saveRestore: true, ...this.manner },
      guestModules: [],
      probe: async () => ({ driver: "fake", usable: true, acceleration: "none", version: "1" }),
      start: async (spec) => {
        this.started.push(spec);
        if (this.refusesStart) throw new BangerError("guest_failed", "the machine does not start");
        if (spec.restore !== undefined && this.refusesRestore)
          throw new BangerError("guest_failed", "the saved state cannot be restored");
        if (spec.memory?.use === "make") {
          writeFileSync(spec.memory.path, "memory", { flag: "wx", mode: 0o600 });
          truncateSync(spec.memory.path, 1 << 20);
        }
        const pid = this.#nextPid++;
        const handle = {
          driver: "fake",
          process: { pid, startTicks: 1, bootId: "boot" },
          runDir: spec.runDir,
        };
        const ended = Promise.withResolvers<void>();
        this.#machines.set(pid, { handle, spec, id: spec.id, ended, paused: false });
        return handle;
      },
      find: async (id) => find((machine) => machine.id === id)[0],
      findIn: async (runDir) => find((machine) => machine.handle.runDir === runDir),
      alive: async (handle) => this.#machines.has(handle.process.pid),
      exited: async (handle, signal) => {
        const ended = this.#machines.get(handle.process.pid)?.ended.promise;
        if (ended === undefined) return;
        const { promise: aborted, reject } = Promise.withResolvers<never>();
        aborted.catch(() => {});
        signal?.addEventListener("abort", () => reject(signal.reason));
        if (signal?.aborted) reject(signal.reason);
        await Promise.race([ended, aborted]);
      },
      agentStream: async (handle) => {
        const stream = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
        this.#streams.set(stream, handle.process.pid);
        const open = this.#open.get(handle.process.pid) ?? new Set();
        this.#open.set(handle.process.pid, open.add(stream));
        return stream;
      },
      signal: async (handle, signal) => {
        if (signal === 9 || signal === 15) this.#end(handle.process.pid);
      },
      pause: async (handle) => this.#halt(handle, true),
      resume: async (handle) => this.#halt(handle, false),
      checkpoint: async (handle, { to, layers, whenHalted }) => {
        if (this.refusesCheckpoint) throw new BangerError("guest_failed", "QEMU could not save the machine");
        const machine = this.#machines.get(handle.process.pid);
        if (machine === undefined) throw new BangerError("guest_failed", "there is no machine");
        const ran = !machine.paused;
        machine.paused = true;
        if (!this.manner.keepsConnections) this.#cutOff(handle.process.pid);
        try {
          if (this.manner.frozenDisks === "layers") this.whenHalted?.();
          else {
            if (layers.length > 0) throw new Error("this driver knows no layers");
            await whenHalted?.();
            this.whenHalted?.();
          }
        } finally {
          machine.paused = !ran;
        }
        writeFileSync(to.memory, "memory", { flag: "wx", mode: 0o600 });
        truncateSync(to.memory, 1 << 20);
        writeFileSync(to.state, "state", { flag: "wx", mode: 0o600 });
        return { haltedMs: 1 };
      },
      save: async (_handle, { state }) => writeFileSync(state, "state", { mode: 0o600 }),
      stateKey: async ({ vcpu }) => ({ driver: "fake", version: this.version, cpus: String(vcpu) }),
      kill: async (handle) => this.#end(handle.process.pid),
    };
  }

  /** A guest that does everything at once and nothing at all. */
  session(stream: Duplex, hello: Partial<GuestHello> = {}): GuestSession {
    const closed = Promise.withResolvers<{ reason: string }>();
    const reached = () => {
      if (this.#cut.has(stream)) throw new BangerError("guest_failed", "this session was cut off");
    };
    return {
      channel: "agent",
      openStreams: this.openStreams,
      answering: async () => {},
      hello: {
        protocol: 1,
        agentVersion: "fake",
        bootId: "guest",
        kernelRelease: "fake",
        personalised: false,
        basicReached: true,
        runsAsUsers: true,
        ...hello,
      },
      closed: closed.promise,
      ready: async (signal) => {
        if (!this.hangs) return;
        const { promise, reject } = Promise.withResolvers<void>();
        const cancel = () => reject(new BangerError("cancelled", "cancelled"));
        signal?.addEventListener("abort", cancel);
        if (signal?.aborted) cancel();
        await promise;
      },
      exec: async () => {
        reached();
        return {
          stdin: new Writable({ write: (_chunk, _encoding, done) => done() }),
          stdout: Readable.from([]),
          stderr: Readable.from([]),
          resize: () => {},
          signal: () => {},
          exit: Promise.resolve(0),
        };
      },
      personalise: async (person) => void this.persons.push(person),
      unpack: async (root, tar) => {
        const parts: Buffer[] = [];
        for await (const part of tar) parts.push(part);
        if (this.unpackFails) throw new BangerError("guest_failed", "a link is in the way");
        this.unpacked.push({ root, archive: Buffer.concat(parts), personsBefore: this.persons.length });
        return { files: 0, bytes: 0 };
      },
      pack: async () => Readable.from([]),
      connect: () => Promise.reject(new BangerError("guest_failed", "nobody listens")),
      ports: async () => [],
      stats: async () => ({
        ...{
          uptimeSeconds: 1,
          load: [this.load, 0, 0] as const,
          memoryTotalBytes: 1,
          memoryAvailableBytes: 1,
        },
        ...{ rootTotalBytes: 1, rootFreeBytes: 1, workTotalBytes: 1, workFreeBytes: 1, processes: 1 },
      }),
      ping: async () => {},
      setClock: async () => {
        reached();
        this.clocksSet += 1;
      },
      releaseWorkDisk: async () => {
        if (this.workDiskInUse) throw new BangerError("guest_failed", "the work disk is in use");
      },
      takeWorkDisk: async () => {},
      rest: () => {},
      powerOff: async () => {
        this.#end(this.#streams.get(stream) ?? 0);
      },
      close: (why) => closed.resolve({ reason: why?.message ?? "closed" }),
    };
  }
}
