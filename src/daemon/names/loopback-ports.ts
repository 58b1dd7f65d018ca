/**
 * Where a VM has no address in a network: what its guest listens on is listened on here, on a loopback address of its own.
 *
 * Nothing listens until somebody is interested in the VM, which its name being looked up says, and a connection. Then the
 * guest's agent is asked for its ports, and asked again for a while; a guest whose name nobody looks up is left in peace.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { VmId } from "../../base/base.ts";
import type { ListeningPort } from "../../guest/guest.ts";
import type { VmLog } from "../../vm/vm.ts";

/** How a connection that was taken gets to the guest: it is closed when that fails. */
export interface ToGuest {
  /** What its guest listens on; undefined when it cannot be asked now. */
  ports(id: VmId): Promise<readonly ListeningPort[] | undefined>;
  join(id: VmId, port: number, socket: Socket): Promise<void>;
  /** Anybody on the host can connect to its loopback; a guest's ports are for its owner. */
  mayConnect(socket: Socket): Promise<boolean>;
  log: VmLog;
}

export interface Pace {
  /** How long after the last sign of interest a guest is still asked, and how often. In ms. */
  interestMs: number;
  everyMs: number;
  /** An answer that is no older is taken for the present. */
  freshMs: number;
}
const usualPace: Pace = { interestMs: 60_000, everyMs: 3_000, freshMs: 300 };

/** A guest can say that it listens on whatever it likes: more is not listened on for one VM, nor connected to it at once. */
const maxPorts = 64;
const maxConnections = 256;

interface Vm {
  address: string;
  servers: Map<number, Server>;
  sockets: Set<Socket>;
  /** Ports that could not be listened on, which is told once. */
  failed: Set<number>;
  looking: Promise<void> | undefined;
  lookedAt: number;
  interestUntil: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  closed: boolean;
}

export class LoopbackPorts {
  readonly #vms = new Map<VmId, Vm>();

  constructor(
    private readonly guest: ToGuest,
    private readonly pace = usualPace,
  ) {}

  /** Somebody wants to connect to it: resolves when what its guest listens on now is listened on here. */
  async expect(id: VmId, address: string): Promise<void> {
    const vm = this.#get(id, address);
    vm.interestUntil = Date.now() + this.pace.interestMs;
    await this.look(id, address);
    this.#again(id, vm);
  }

  /** As expect, for now only. */
  async look(id: VmId, address: string): Promise<void> {
    const vm = this.#get(id, address);
    if (Date.now() - vm.lookedAt < this.pace.freshMs && vm.looking === undefined) return;
    vm.looking ??= this.#follow(id, vm).finally(() => {
      vm.looking = undefined;
      vm.lookedAt = Date.now();
    });
    await vm.looking;
  }

  /** VMs that do not run any more: their ports are closed, and what is connected to them. */
  retain(runs: (id: VmId) => boolean): void {
    for (const [id, vm] of this.#vms) {
      if (runs(id)) continue;
      this.#vms.delete(id);
      vm.closed = true;
      clearTimeout(vm.timer);
      for (const server of vm.servers.values()) server.close();
      for (const socket of vm.sockets) socket.destroy();
    }
  }

  close(): void {
    this.retain(() => false);
  }

  #get(id: VmId, address: string): Vm {
    let vm = this.#vms.get(id);
    if (vm === undefined) {
      vm = {
        ...{ address, servers: new Map(), sockets: new Set(), failed: new Set() },
        ...{ looking: undefined, lookedAt: 0, interestUntil: 0, timer: undefined, closed: false },
      };
      this.#vms.set(id, vm);
    }
    return vm;
  }

  #again(id: VmId, vm: Vm): void {
    if (vm.timer !== undefined || vm.closed) return;
    vm.timer = setTimeout(async () => {
      await this.look(id, vm.address);
      vm.timer = undefined;
      if (vm.sockets.size > 0 || Date.now() < vm.interestUntil) this.#again(id, vm);
    }, this.pace.everyMs);
    vm.timer.unref();
  }

  /** Listens on what the guest listens on, and on nothing else. A guest that does not answer is left as it was. */
  async #follow(id: VmId, vm: Vm): Promise<void> {
    const said = await this.guest.ports(id).catch(() => undefined);
    if (said === undefined || vm.closed) return;
    const wanted = reachable(said);
    for (const [port, server] of vm.servers) {
      if (wanted.has(port)) continue;
      vm.servers.delete(port);
      server.close();
    }
    const missing = [...wanted].filter((port) => !vm.servers.has(port));
    await Promise.all(missing.map((port) => this.#listen(id, vm, port)));
  }

  async #listen(id: VmId, vm: Vm, port: number): Promise<void> {
    const server = createServer(
      { allowHalfOpen: true },
      (socket) => void this.#connected(id, vm, port, socket),
    );
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      server.once("error", resolve);
      server.listen({ host: vm.address, port }, () => resolve(undefined));
    });
    if (error === undefined) {
      if (vm.closed) return void server.close();
      server.on("error", () => {});
      vm.servers.set(port, server);
      vm.failed.delete(port);
    } else if (!vm.failed.has(port)) {
      vm.failed.add(port);
      const why = { vm: id, address: vm.address, port, error: error.message };
      this.guest.log.info("a port of a guest's cannot be listened on", why);
    }
  }

  async #connected(id: VmId, vm: Vm, port: number, socket: Socket): Promise<void> {
    socket.on("error", () => socket.destroy());
    if (vm.sockets.size >= maxConnections) return void socket.destroy();
    vm.sockets.add(socket);
    socket.once("close", () => vm.sockets.delete(socket));
    try {
      if (!(await this.guest.mayConnect(socket))) return void socket.resetAndDestroy();
      vm.interestUntil = Date.now() + this.pace.interestMs;
      this.#again(id, vm);
      await this.guest.join(id, port, socket);
    } catch {
      // The guest does not listen there any more, or has gone: as if nobody had listened here.
      socket.resetAndDestroy();
    }
  }
}

/** TCP ports that a connection to the guest's own loopback reaches, the lowest first. */
function reachable(ports: readonly ListeningPort[]): Set<number> {
  const numbers = ports
    .filter(({ protocol, address, port }) => protocol === "tcp" && port > 0 && loopbackToo.test(address))
    .map(({ port }) => port);
  return new Set([...new Set(numbers)].sort((a, b) => a - b).slice(0, maxPorts));
}
const loopbackToo = /^(0\.0\.0\.0|::|::1|(::ffff:)?127\.0\.0\.1)$/;
