/** path.probe: what a guest would send gets through or does not, and nothing of the probe stays. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { newVmId } from "../../src/base/ids.ts";
import { canaries, NetLab, netMissing, place, sh, withoutNumbers } from "./net-fixture.ts";

// Namespaces and their firewalls take seconds on a host that is busy.
setDefaultTimeout(120_000);
const missing = netMissing();
if (missing !== undefined) console.warn(`network tests skipped: ${missing}`);

/** Says to each query that it is an answer. */
const nameServer = `
const socket = await Bun.udpSocket({ hostname: "${canaries.public}", port: 53, socket: { data(socket, query, port, address) {
  query[2] |= 0x80;
  socket.send(query, port, address);
} } });
console.log("listens");`;

const answered = expect.any(Number);
/** A chain of somebody else's, with one rule. */
const chain = (hook: string, rule: string) =>
  `nft add table ip other; nft add chain ip other ${hook} "{ type filter hook ${hook} priority 10; }"; nft add rule ip other ${hook} ${rule}`;

describe.skipIf(missing !== undefined)("a probe of the path", () => {
  let lab: NetLab;
  let server: ChildProcess;

  beforeEach(async () => {
    lab = new NetLab();
    lab.start();
    server = spawn("ip", ["netns", "exec", lab.internet, process.execPath, "-e", nameServer]);
    await new Promise((resolve) => server.stdout?.once("data", resolve));
    await lab.call("ensureBridge", place);
  });
  afterEach(async () => {
    server.kill("SIGKILL");
    await lab.stop();
  });

  const probe = (to: string | null = canaries.public) => lab.call("probe", place, to);
  /** Rules that were made again are further down, and the pool is filled at each release. */
  const snapshot = () => [...new Set(withoutNumbers(lab.snapshot()).split("\n"))].sort().join("\n");

  test("gets through to the bridge and by NAT to a name server, and leaves nothing", async () => {
    const before = snapshot();
    expect(await probe()).toEqual({ bridgeMs: answered, serverMs: answered });
    expect(snapshot()).toBe(before);
    expect(await probe(null)).toEqual({ bridgeMs: answered, serverMs: null });
    expect(snapshot()).toBe(before);
  });

  test("gets through beside a firewall that refuses to forward, as a guest does", async () => {
    lab.onHost("iptables -P FORWARD DROP");
    const before = snapshot();
    expect(await probe()).toEqual({ bridgeMs: answered, serverMs: answered });
    expect(snapshot()).toBe(before);
  });

  test("does not get through where a guest would not", async () => {
    lab.onHost(chain("forward", "udp dport 53 drop"));
    expect(await probe()).toEqual({ bridgeMs: answered, serverMs: null });
    lab.onHost(chain("input", "iifname br-fc drop"));
    expect(await probe()).toEqual({ bridgeMs: null, serverMs: null });
    // The host itself is no name server for its guests.
    lab.onHost("nft delete table ip other");
    expect(await probe("198.51.100.2")).toEqual({ bridgeMs: answered, serverMs: null });
  });

  test("leaves a VM with NAT its way out, and has an address of its own", async () => {
    const vm = newVmId();
    await lab.call("acquire", place, vm, "172.16.0.254");
    await lab.call("nat", place, vm, true);
    const before = snapshot();
    expect(await probe()).toEqual({ bridgeMs: answered, serverMs: answered });
    expect(snapshot()).toBe(before);
  });

  test("finds the way shut that a firewall has shut to VMs with NAT, and does not open it", async () => {
    const vm = newVmId();
    await lab.call("acquire", place, vm, "172.16.0.254");
    await lab.call("nat", place, vm, true);
    lab.onHost("iptables -F FORWARD; iptables -P FORWARD DROP");
    const before = snapshot();
    expect(await probe()).toEqual({ bridgeMs: answered, serverMs: null });
    expect(snapshot()).toBe(before);
  });

  test("two at once wait for each other", async () => {
    const before = snapshot();
    const both = await Promise.all([probe(), probe()]);
    const through = { bridgeMs: answered, serverMs: answered };
    expect(both).toEqual([through, through]);
    expect(snapshot()).toBe(before);
  });

  test("what a helper that was killed has left of one is taken away by the next", async () => {
    const before = snapshot();
    const probing = () => sh(`ip -n ${lab.host} -o link`).includes("alias banger:70726f62-6500-4000");
    server.kill("SIGSTOP");
    void probe();
    while (!probing() || !lab.onHost("cat /proc/sys/net/ipv4/ip_forward").startsWith("1")) await Bun.sleep(2);
    await lab.crash();
    expect(probing()).toBe(true);
    lab.launch();
    await lab.call("removeProbe", place);
    expect(snapshot()).toBe(before);
  });

  test("without a bridge there is nothing to try", async () => {
    await lab.call("remove");
    expect(probe()).rejects.toMatchObject({ code: "precondition" });
  });
});
