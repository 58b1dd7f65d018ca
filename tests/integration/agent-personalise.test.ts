/** The agent in namespaces of its own (mounts, host name, network, pids), so that what it does to a guest is done to nobody. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { type GuestSession, openAgentSession, type Personality } from "../../src/guest/guest.ts";
import { agentMissing, dialAgent, runIn } from "./agent-fixture.ts";

const binary = join(import.meta.dir, "../../build/native/agent");
/** A root of its own, with the host's programs readable in it, and a device that is no loopback. */
const script = `set -e
mount --make-rprivate /
mount -t tmpfs -o mode=0755 guest "$1/root"
cd "$1/root"
mkdir -p bin sbin lib lib64 usr etc proc dev tmp run root/.ssh
for part in usr lib lib64 bin sbin; do mount --rbind -o ro "/$part" "$part" 2>/dev/null || true; done
mount -t proc proc proc
mount --rbind /dev dev
mount --bind "$1/run" run
ln -s /run/elsewhere etc/resolv.conf
ln -s /tmp etc/through
echo old > etc/hosts
hostname before
ip link set lo up
ip link add peer0 type veth peer name eth0
ip link set peer0 up
cp "$2" agent
exec chroot . /agent --socket /run/s --run /run
`;

function namespacesMissing(): string | undefined {
  if (agentMissing !== undefined) return agentMissing;
  if (process.getuid?.() !== 0) return "needs root";
  const probe = spawnSync("unshare", ["-mnupf", "sh", "-c", "ip link add eth0 type veth peer name peer0"]);
  return probe.status === 0 ? undefined : `cannot make namespaces with a network device: ${probe.stderr}`;
}
const missing = namespacesMissing();
if (missing !== undefined) console.warn(`personalise tests skipped: ${missing}`);

const person: Personality = {
  hostname: "sandbox-7",
  machineId: "0123456789abcdef0123456789abcdef",
  network: { address: "10.9.8.7", prefix: 24, gateway: "10.9.8.1", mac: "52:54:00:12:34:56" },
  files: [
    { path: "/etc/hosts", mode: 0o644, content: Buffer.from("127.0.0.1 localhost\n") },
    { path: "/etc/resolv.conf", mode: 0o644, content: Buffer.from("nameserver 10.9.8.1\n") },
    { path: "/etc/ssh/keys/host", mode: 0o600, content: Buffer.from([0, 255, 10]) },
  ],
  // It is the one thing that no namespace keeps apart.
  clock: "keep",
  entropy: Buffer.alloc(64, 3),
};

describe.skipIf(missing !== undefined)("personalise", () => {
  let dir: string;
  let agent: ChildProcess;
  let session: GuestSession;

  async function open(): Promise<GuestSession> {
    return openAgentSession(await dialAgent(join(dir, "run/s")), { handshakeTimeoutMs: 5000 });
  }

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), "banger-agent-"));
    for (const name of ["root", "run"]) mkdirSync(join(dir, name));
    const unshare = [
      "--mount",
      "--net",
      "--uts",
      "--pid",
      "--fork",
      "--kill-child",
      "sh",
      "-c",
      script,
      "sh",
      dir,
      binary,
    ];
    agent = spawn("unshare", unshare, { stdio: ["ignore", "inherit", "inherit"] });
    session = await open();
  });
  afterAll(async () => {
    session.close();
    const gone = new Promise((resolve) => agent.once("exit", resolve));
    agent.kill("SIGKILL");
    await gone;
    rmSync(dir, { recursive: true, force: true });
  });

  const sh = async (command: string) => (await runIn(session, ["sh", "-c", command])).stdout.trim();

  test("makes a guest this one: name, identity, files, address, route", async () => {
    expect(session.hello.personalised).toBe(false);
    await session.personalise(person);
    expect(await sh("hostname")).toBe("sandbox-7");
    expect(hostname()).not.toBe("sandbox-7");
    expect(await sh("cat /etc/machine-id; stat -c %a /etc/machine-id")).toBe(`${person.machineId}\n444`);
    expect(await sh("cat /etc/hosts")).toBe("127.0.0.1 localhost");
    expect(await sh("od -An -tu1 /etc/ssh/keys/host; stat -c %a /etc/ssh/keys/host /etc/ssh")).toBe(
      "0 255  10\n600\n755",
    );
    expect(await sh("ip -4 -o addr show eth0 | tr -s ' ' | cut -d' ' -f4,6")).toBe("10.9.8.7/24 10.9.8.255");
    expect(await sh("ip route show default")).toBe("default via 10.9.8.1 dev eth0");
    expect(await sh("ip -o link show eth0")).toMatch(/<BROADCAST,MULTICAST,UP,LOWER_UP>.*52:54:00:12:34:56/);
    expect(await sh("ls -A /etc /etc/ssh/keys | grep banger")).toBe("");
  });

  test("replaces a link by the file, and never writes through one", async () => {
    expect(await sh("cat /etc/resolv.conf; test -L /etc/resolv.conf || echo file")).toBe(
      "nameserver 10.9.8.1\nfile",
    );
    expect(existsSync(join(dir, "run/elsewhere"))).toBe(false);
    const through = {
      ...person,
      files: [{ path: "/etc/through/x", mode: 0o644, content: Buffer.from("x") }],
    };
    await expect(session.personalise(through)).rejects.toThrow("/etc/through/x");
    expect(await sh("ls -A /tmp")).toBe("");
  });

  test("can be done again, as after a restore, and then the old address and route are gone", async () => {
    const network = { address: "10.1.1.2", prefix: 30, gateway: "10.1.1.1" };
    const before = await sh("cat /proc/sys/kernel/random/boot_id; stat -c %i /etc/ssh/keys/host");
    await session.personalise({ ...person, hostname: "second", network });
    expect(await sh("hostname")).toBe("second");
    const [bootId, inode] = (
      await sh("cat /proc/sys/kernel/random/boot_id; stat -c %i /etc/ssh/keys/host")
    ).split("\n");
    expect(bootId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    // What a file says already is not written again.
    expect(before.split("\n")).toEqual([expect.not.stringMatching(bootId ?? ""), inode ?? ""]);
    await session.personalise({ ...person, hostname: "second", network });
    expect(await sh("cat /proc/sys/kernel/random/boot_id")).not.toBe(bootId);
    expect(await sh("ip -4 -o addr show eth0 | tr -s ' ' | cut -d' ' -f4,6")).toBe("10.1.1.2/30 10.1.1.3");
    expect(await sh("ip route show")).toBe(
      "default via 10.1.1.1 dev eth0 \n10.1.1.0/30 dev eth0 proto kernel scope link src 10.1.1.2",
    );
    const later = await open();
    expect(later.hello.personalised).toBe(true);
    session = later;
  });

  test.each(["relative", "/etc/../x", "/..", "/etc/.", "/etc/dir/"])(
    "refuses the path %s before doing anything",
    async (path) => {
      const request = {
        ...person,
        hostname: "never",
        files: [{ path, mode: 0o644, content: new Uint8Array() }],
      };
      await expect(session.personalise(request)).rejects.toMatchObject({ code: "guest_failed" });
      expect(await sh("hostname")).toBe("second");
    },
  );
});
