/**
 * What VMs are called from this host: `NAME.vm`, for as long as they run. docs/dns-routing.md.
 *
 * Nothing is kept that could be wrong: who is asked looks at the VMs as they are. In system mode a name means the VM's
 * address on the bridge, and systemd-resolved is told to ask here; else it means an address of the loopback, where the
 * guest's ports are listened on.
 */
import type { Socket } from "node:net";
import type { VmId } from "../../base/base.ts";
import { type NameServer, openNameServer } from "../../dns/dns.ts";
import type { VmRecord } from "../../state/state.ts";
import { loopbackPeer } from "../../sys/sys.ts";
import type { Runtimes, VmLog, VmPaths, VmService } from "../../vm/vm.ts";
import { connectGuestPort, joinStreams } from "../guest-port.ts";
import { KnownHosts } from "./known-hosts.ts";
import { LoopbackAddresses } from "./loopback-addresses.ts";
import { LoopbackPorts } from "./loopback-ports.ts";

/** The host's own resolver, where it can be told to ask for one zone elsewhere. */
export interface HostResolver {
  /** False where there is none that could be told. */
  route(port: number): Promise<boolean>;
  clear(): Promise<void>;
}

export interface NamesDeps {
  vms: VmService;
  runtimes: Runtimes;
  log: VmLog;
  paths: VmPaths;
  /** Written for ssh; see KnownHosts. */
  knownHosts: string;
  resolver: HostResolver | undefined;
}

/** How long an answer waits for a guest that is to say what it listens on. In ms; resolvers wait for seconds. */
const askGuestMs = 1_000;
/** For the resolver, at the daemon's end. In ms. */
const clearMs = 5_000;

export class Names {
  readonly #addresses = new LoopbackAddresses();
  readonly #ports: LoopbackPorts;
  readonly #knownHosts: KnownHosts;
  readonly #ending = new AbortController();
  #server: NameServer | undefined;
  #routed = false;
  #routing = Promise.resolve();
  #anyRuns = false;

  constructor(private readonly deps: NamesDeps) {
    this.#knownHosts = new KnownHosts(deps.knownHosts, deps.paths);
    this.#ports = new LoopbackPorts({
      ports: async (id) => deps.runtimes.current(id)?.ports(AbortSignal.timeout(askGuestMs)),
      join: (id, port, socket) => this.#join(id, port, socket),
      mayConnect: ownersOwn,
      log: deps.log,
    });
  }

  /** A daemon without names is a daemon still. */
  async open(): Promise<void> {
    try {
      this.#server = await openNameServer((name) => this.#lookup(name));
    } catch (error) {
      this.deps.log.warn("names of VMs are not served", { error: String(error) });
    }
    // Other programs' work, which nobody waits for.
    this.#routing = this.#route();
    await this.#writeKnownHosts();
    this.#anyRuns = this.deps.vms.list().some(hasMachine);
  }

  /** Where it can be reached from this host; null while it does not run. */
  addressOf(vm: VmRecord): string | null {
    if (vm.state !== "running") return null;
    return vm.address ?? this.#addresses.of(vm.id, () => this.deps.vms.list().map(({ id }) => id));
  }

  /** Somebody is about to be told its address: what it listens on is to be there. */
  told(vm: VmRecord): void {
    const address = this.addressOf(vm);
    if (address !== null && vm.address === null) void this.#ports.look(vm.id, address);
  }

  /** `routed`: the host's own resolver asks it. */
  status(): { server: string | null; routed: boolean } {
    return { server: this.#server?.address ?? null, routed: this.#routed };
  }

  /** Machines may have come or gone. Never throws: it is no part of what made them. */
  changed(): void {
    try {
      const vms = this.deps.vms.list();
      const there = new Set(vms.filter(hasMachine).map(({ id }) => id));
      this.#ports.retain((id) => there.has(id));
      void this.#writeKnownHosts();
      // A resolver that was told once remembers, also over its own restart: this is for one that was not there.
      if (there.size > 0 && !this.#anyRuns && !this.#routed) this.#routing = this.#route();
      this.#anyRuns = there.size > 0;
    } catch (error) {
      this.deps.log.warn("names of VMs could not be brought up to date", { error: String(error) });
    }
  }

  async close(): Promise<void> {
    this.#ending.abort();
    this.#ports.close();
    const { resolver, log } = this.deps;
    if (resolver !== undefined) {
      await within(
        clearMs,
        this.#routing.then(() => resolver.clear()),
      ).catch((error: unknown) =>
        log.warn("the host's resolver could not be told that names have gone", { error: String(error) }),
      );
    }
    this.#server?.close();
  }

  async #lookup(name: string): Promise<string | undefined> {
    const { vms } = this.deps;
    const vm = vms.list().find((each) => each.name === name);
    const address = vm === undefined || vms.leaving.has(vm.id) ? null : this.addressOf(vm);
    if (vm === undefined || address === null) return undefined;
    if (vm.address === null) {
      // Late is better than never: a guest that is slow to say has its ports listened on all the same.
      await within(askGuestMs, this.#ports.expect(vm.id, address)).catch(() => {});
    }
    return address;
  }

  async #join(id: VmId, port: number, socket: Socket): Promise<void> {
    const { stream } = await connectGuestPort(this.deps, id, port, this.#ending.signal);
    if (socket.destroyed) return void stream.destroy();
    socket.once("close", () => {
      if (!stream.writableEnded || !stream.readableEnded) stream.destroy();
    });
    socket.setNoDelay(true);
    joinStreams(socket, stream);
  }

  async #route(): Promise<void> {
    const { resolver, log } = this.deps;
    if (resolver === undefined || this.#server === undefined) return;
    try {
      this.#routed = await resolver.route(this.#server.port);
    } catch (error) {
      log.warn("the host's resolver could not be told to ask for .vm here", { error: String(error) });
    }
  }

  async #writeKnownHosts(): Promise<void> {
    try {
      await this.#knownHosts.write(this.deps.vms.list());
    } catch (error) {
      this.deps.log.warn("the known hosts of VMs could not be written", { error: String(error) });
    }
  }
}

/** What is connected to a VM that is paused waits with it. */
const hasMachine = ({ machine }: VmRecord) => machine !== null;

/** This daemon's user, and root. */
async function ownersOwn(socket: Socket): Promise<boolean> {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return false;
  if (localAddress === undefined || localPort === undefined) return false;
  const uid = await loopbackPeer(
    { address: remoteAddress, port: remotePort },
    { address: localAddress, port: localPort },
  );
  return uid === 0 || uid === process.getuid?.();
}

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`not within ${ms} ms`)), ms);
  return Promise.race([work, late.promise]).finally(() => clearTimeout(timer));
}
