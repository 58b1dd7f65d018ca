/** A guest with NAT must not reach the host: what QEMU's user-mode network does for it, done by bash instead. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { existsSync, openSync, readdirSync, readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { QemuFixture, qemuMissing } from "./qemu-fixture.ts";

const built = join(import.meta.dir, "../../build/native/egress.so");
// ld.so splits LD_PRELOAD at spaces and colons, and a checkout's path may have either; a descriptor's has neither.
const library = existsSync(built) ? `/proc/${process.pid}/fd/${openSync(built, "r")}` : built;
const missing = existsSync(library) ? undefined : "build/native/egress.so is missing; run: make -C native";
if (missing !== undefined) console.warn(`egress tests skipped: ${missing}`);

/** Whether a process with the library preloaded can connect, and what it is told. */
function dial(protocol: "tcp" | "udp", address: string, port: number, preload: string | undefined = library) {
  const { status, stderr } = spawnSync("bash", ["-c", `exec 3<>/dev/${protocol}/${address}/${port}`], {
    encoding: "utf8",
    env: preload === undefined ? {} : { LD_PRELOAD: preload },
  });
  return { connected: status === 0, refused: stderr.includes("Connection refused") };
}

describe.skipIf(missing !== undefined)("the library in QEMU", () => {
  let server: Server;
  let port: number;
  beforeAll(async () => {
    server = createServer((socket) => socket.destroy()).listen(0, "0.0.0.0");
    await new Promise((resolve) => server.once("listening", resolve));
    const address = server.address();
    port = typeof address === "object" && address !== null ? address.port : 0;
  });
  afterAll(() => {
    server.close();
  });

  test("refuses every address of the host's own, where a service listens that others reach", () => {
    const own = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
    const addresses = [
      ...own.filter(({ family }) => family === "IPv4").map(({ address }) => address),
      "127.9.9.9",
    ];
    for (const address of addresses) {
      expect({ address, ...dial("tcp", address, port, "") }).toEqual({
        address,
        connected: true,
        refused: false,
      });
      expect({ address, ...dial("tcp", address, port) }).toEqual({
        address,
        connected: false,
        refused: true,
      });
      expect({ address, ...dial("udp", address, port) }).toEqual({
        address,
        connected: false,
        refused: true,
      });
    }
  });

  test("refuses the cloud's metadata, multicast, broadcast and IPv6", () => {
    for (const address of [
      "169.254.169.254",
      "0.0.0.0",
      "224.0.0.251",
      "255.255.255.255",
      "::1",
      "::ffff:127.0.0.1",
    ]) {
      expect({ address, ...dial("udp", address, 80) }).toEqual({ address, connected: false, refused: true });
    }
  });

  test("lets through to others, and to the host's name server", () => {
    // Connecting a datagram socket sends nothing; without a route it fails, but not by a refusal.
    expect(dial("udp", "198.51.100.1", 9).refused).toBe(false);
    const server = /^nameserver\s+(\S+)/m.exec(readFileSync("/etc/resolv.conf", "utf8"))?.[1];
    if (server !== undefined) expect(dial("udp", server, 53).refused).toBe(false);
  });
});

describe.skipIf(missing !== undefined || qemuMissing !== undefined)("a machine with NAT", () => {
  test("has the library in it, also where paths hold what ld.so splits at, and leaves no file of it", async () => {
    const fixture = new QemuFixture(" a:b");
    try {
      const spec = fixture.spec();
      const machine = await fixture.start({ ...spec, egress: "nat" });
      expect(readFileSync(`/proc/${machine.process.pid}/maps`, "utf8")).toContain("/egress.so");
      await fixture.driver.kill(machine);
      expect(readdirSync(spec.runDir)).toEqual([]);
    } finally {
      await fixture.close();
    }
  });
});
