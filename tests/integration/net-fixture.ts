/**
 * A host with its network in a namespace of its own, and "the internet" in another one. Everything that arrives
 * somewhere is counted there, by the kernel.
 */
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { VmId } from "../../src/base/base.ts";
import { newVmId } from "../../src/base/ids.ts";
import { bridgeMac, macOf } from "../../src/net/net.ts";
import { arp, ethernet } from "./net-frames.ts";

export const driver = join(import.meta.dir, "net-driver.ts");

/** Why these tests cannot run here; undefined where they can. */
export function netMissing(): string | undefined {
  if (process.getuid?.() !== 0) return "they make network namespaces, which needs root";
  for (const program of ["ip", "nft"]) {
    if (spawnSync(program, ["-V"]).error !== undefined) return `the program ${program} is not installed`;
  }
  const probe = spawnSync("unshare", ["-n", "ip", "tuntap", "add", "dev", "probe0", "mode", "tap"]);
  return probe.status === 0 ? undefined : "this kernel or container allows no TAP devices in a namespace";
}

export const place = {
  bridge: "br-fc",
  address: "172.16.0.1",
  prefix: 24,
  tapPoolSize: 2,
  reachable: [] as string[],
  owner: 0,
};
export type Place = typeof place;

/** Addresses that the internet answers at. */
export const canaries = {
  public: "203.0.113.10",
  lan: "192.168.77.7",
  lanTen: "10.9.9.9",
  carrier: "100.64.1.1",
  metadata: "169.254.169.254",
  router: "198.51.100.1",
} as const;
export const hostUplink = "198.51.100.2";
export const container = "172.17.0.2";

export function sh(command: string, input?: string): string {
  const { status, stdout, stderr } = spawnSync("sh", ["-ec", command], { encoding: "utf8", input });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return stdout;
}

/** A TAP that was made again has another index, another name of the pool and another MAC address. */
export function withoutNumbers(snapshot: string): string {
  return snapshot.replaceAll(/^\d+: |tap-pool-\d+|link\/ether \S+/gm, "");
}

interface Answer {
  id: number;
  result?: unknown;
  error?: { code: string; message: string };
}

export interface Guest {
  vm: VmId;
  tap: string;
  address: string;
  mac: string;
}

/** Of the driver's mount namespace alone: programs and libraries that shall not be there. */
const hide = (...paths: string[]) =>
  paths.map((path) => `mount --bind /dev/null "$(readlink -f ${path})"`).join("; ");
export const withoutNft = hide("/usr/sbin/nft", "$(ldconfig -p | sed -n s/.*libnftables.so.1.*=..//p)");
/** iptables of the kind that has nothing to do with nftables. */
export const withoutNftAndEbtables = `${withoutNft}; mount --bind /usr/sbin/xtables-legacy-multi "$(readlink -f /usr/sbin/iptables)"`;

let made = 0;

export class NetLab {
  readonly host = `bt-host-${process.pid}-${made++}`;
  readonly internet = this.host.replace("host", "inet");
  readonly docker = this.host.replace("host", "dock");
  readonly bridgeMac = bridgeMac;
  #driver: ChildProcessWithoutNullStreams | undefined;
  #lines: Interface | undefined;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #calls = 0;

  /** `before` runs in the host's namespace and in a mount namespace of the driver's own, before the driver does. */
  constructor(readonly before = "true") {}

  start(): void {
    for (const name of [this.host, this.internet, this.docker]) {
      sh(`ip netns add ${name}; ip netns exec ${name} sysctl -qw net.ipv6.conf.all.disable_ipv6=1`);
      sh(`ip -n ${name} link set lo up`);
    }
    this.#wire("up0", hostUplink, this.internet, canaries.router);
    this.#wire("docker0", "172.17.0.1", this.docker, container);
    sh(`ip -n ${this.host} route add default via ${canaries.router}`);
    sh(`ip -n ${this.docker} route add default via 172.17.0.1`);
    for (const address of Object.values(canaries).filter((each) => each !== canaries.router)) {
      sh(`ip -n ${this.internet} addr add ${address}/32 dev lo`);
    }
    // Without it the internet would have no way to answer packets that left without NAT, nor to reach a guest by itself.
    sh(`ip -n ${this.internet} route add 172.16.0.0/24 via ${hostUplink}`);
    for (const [name, hook] of [
      [this.host, "input"],
      [this.internet, "prerouting"],
      [this.docker, "prerouting"],
    ] as const) {
      sh(
        `ip netns exec ${name} nft -f -`,
        `table ip canary { counter arrived {}
         chain arrivals { type filter hook ${hook} priority 400; policy accept; counter name arrived; }
         }`,
      );
    }
    this.launch();
  }

  #wire(hostEnd: string, hostAddress: string, other: string, otherAddress: string): void {
    sh(`ip -n ${this.host} link add ${hostEnd} type veth peer name eth0 netns ${other}
        ip -n ${this.host} addr add ${hostAddress}/24 dev ${hostEnd}
        ip -n ${this.host} link set ${hostEnd} up
        ip -n ${other} addr add ${otherAddress}/24 dev eth0
        ip -n ${other} link set eth0 up`);
  }

  launch(): void {
    const command = `${this.before}; exec "${process.execPath}" "${driver}"`;
    this.#driver = spawn("ip", ["netns", "exec", this.host, "sh", "-ec", command]);
    this.#driver.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#driver.stdout });
    this.#lines.on("line", (line) => {
      const answer = JSON.parse(line) as Answer;
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  /** Ends the driver as a crash would. What it was asked is never answered. */
  async crash(): Promise<void> {
    const driver = this.#driver;
    if (driver === undefined) return;
    const gone = new Promise((resolve) => driver.once("close", resolve));
    driver.kill("SIGKILL");
    await gone;
    this.#driver = undefined;
  }

  async stop(): Promise<void> {
    await this.crash();
    for (const name of [this.host, this.internet, this.docker]) spawnSync("ip", ["netns", "del", name]);
  }

  /** Calls the driver; rejects with its error, whose `code` is banger's. */
  call<T = unknown>(name: string, ...args: unknown[]): Promise<T> {
    return new Promise((resolve, reject) => {
      const id = this.#calls++;
      this.#waiting.set(id, ({ error, result }) => {
        if (error) reject(Object.assign(new Error(error.message), error));
        else resolve(result as T);
      });
      this.#driver?.stdin.write(`${JSON.stringify({ id, name, args })}\n`);
    });
  }

  in(namespace: string, command: string): string {
    return sh(`ip netns exec ${namespace} sh -ec '${command}'`);
  }

  onHost(command: string): string {
    return this.in(this.host, command);
  }

  async guest(address: string, options: Partial<Place> = {}): Promise<Guest> {
    const vm = newVmId();
    const { tap } = await this.call<{ tap: string }>("acquire", { ...place, ...options }, vm, address);
    await this.call("open", tap);
    // The bridge hears of it a moment later.
    for (const deadline = Date.now() + 10_000; Date.now() < deadline; await Bun.sleep(5)) {
      if (this.onHost(`bridge link show dev ${tap}`).includes("state forwarding")) break;
    }
    const mac = macOf(vm);
    // An address that the host does not know yet would make it ask first.
    this.onHost(`ip neigh replace ${address} lladdr ${mac} nud permanent dev br-fc`);
    return { vm, tap, address, mac };
  }

  /**
   * Sends frames as the guest, and returns what it got since the last time, until the kernel is through with them: the last one is a
   * question that the bridge answers.
   */
  async exchange(guest: Guest, frames: Buffer[]): Promise<string[]> {
    const { mac, address: sender } = guest;
    const question = arp({ operation: "request", senderMac: mac, sender, target: place.address });
    const last = ethernet(this.bridgeMac, mac, 0x0806, question);
    const all = [...frames, last].map((frame) => frame.toString("hex"));
    await this.call("send", guest.tap, all);
    const answer = ethernet(mac, this.bridgeMac, 0x0806, Buffer.alloc(0)).toString("hex");
    const got: string[] = [];
    for (const deadline = Date.now() + 5000; ; await Bun.sleep(2)) {
      got.push(...(await this.call<string[]>("received", guest.tap)));
      if (got.some((frame) => frame.startsWith(answer))) break;
      if (Date.now() > deadline) throw new Error("the bridge answers no ARP");
    }
    // Two namespaces on: what is on its way there, and back, is through in microseconds.
    await Bun.sleep(10);
    got.push(...(await this.call<string[]>("received", guest.tap)));
    got.splice(
      got.findIndex((frame) => frame.startsWith(answer)),
      1,
    );
    return got;
  }

  arrived(namespace: string): number {
    const text = sh(`ip netns exec ${namespace} nft list counter ip canary arrived`);
    return Number(/packets (\d+)/.exec(text)?.[1]);
  }

  /** Everything of the network that a program could leave behind; not counters, and what the kernel says late. */
  snapshot(): string {
    const rules = this.onHost(
      "nft -s list ruleset; iptables-save -t filter 2>/dev/null | grep -v ^# || true",
    );
    const links = this.onHost("ip -o link; ip -o -4 addr; ip -4 route show table all");
    // iptables-nft makes a table's chains for whoever asks it first: empty, and accepting.
    const empty = /\tchain \w+ \{\n\t\ttype [^\n]* policy accept;\n\t\}\n\n?/g;
    const used = rules
      .replaceAll(empty, "")
      .replaceAll(/table \w+ \w+ \{\n\}\n/g, "")
      .replaceAll("\n\n\t", "\n\t")
      .replaceAll("\n\n}", "\n}");
    return `${used}\n${links}\nip_forward ${this.onHost("cat /proc/sys/net/ipv4/ip_forward")}`.replaceAll(
      /packets \d+ bytes \d+|\[\d+:\d+\]|state (UP|DOWN|UNKNOWN)|NO-CARRIER,|,LOWER_UP|linkdown ?/g,
      "",
    );
  }
}
