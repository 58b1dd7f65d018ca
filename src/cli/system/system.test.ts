import { describe, expect, test } from "bun:test";
import { BangerError } from "../../base/base.ts";
import type { SystemStatus } from "../../host/host.ts";
import type { System } from "../context.ts";
import { banger } from "../testing/harness.ts";

const answer = { version: "1.0.0", commit: "0123abcd", pid: 4711 };
const service = (unit: string, change = {}) => ({
  ...{ unit: `${unit}.service`, socket: `/run/${unit}.sock`, active: "active", sub: "running" },
  ...{ enabled: true, restarts: 0, answer, ...change },
});
const status: SystemStatus = {
  install: {
    ...{ owner: "alice", uid: 1000, gid: 1000, home: "/home/alice", version: "1.0.0", commit: "0123abcd" },
    ...{ built_at: "2026-03-01T10:00:00Z", installed_at: "2026-03-04T11:00:00Z" },
  },
  services: [service("bangerd-root"), service("bangerd")],
  builds: {
    ...{ unit: "bangerd-build.socket", socket: "/run/bangerd-build.sock", active: "active" },
    ...{ sub: "listening", enabled: true, restarts: 0 },
  },
  driver: {
    ...{ driver: "firecracker", driverUsable: false, acceleration: "none" },
    ...{
      driverReason: "Firecracker is not installed",
      driverHint: "install it: sudo banger firecracker install",
    },
  },
  well: true,
};

const must = () => Promise.reject(new Error("must not be called"));
const system = (change: Partial<System> = {}): System => ({
  install: must,
  status: async () => status,
  restart: must,
  uninstall: must,
  ...change,
});

describe("banger system", () => {
  test("status shows owner, versions, services and sockets", async () => {
    expect((await banger(["system", "status"], { system: () => system() })).out).toMatchInlineSnapshot(`
      "owner:                alice (uid 1000)
      version:              1.0.0 (0123abcd), built 2026-03-01T10:00:00Z
      installed:            1 hour ago
      bangerd-root:         active (running), starts at boot
      bangerd-root socket:  /run/bangerd-root.sock answers: 1.0.0 (0123abcd), pid 4711
      bangerd:              active (running), starts at boot
      bangerd socket:       /run/bangerd.sock answers: 1.0.0 (0123abcd), pid 4711
      builds:               /run/bangerd-build.sock active (listening), starts at boot
      driver:               firecracker, which cannot run VMs here: Firecracker is not installed (install it: sudo banger firecracker install)
      "
    `);
    const { out } = await banger(["system", "status", "--json"], { system: () => system() });
    expect(JSON.parse(out)).toEqual(status);
  });

  test("status is 1 when a service is down, and says which", async () => {
    const services = [
      service("bangerd-root", { answer: "denied" }),
      service("bangerd", { active: "failed", sub: "failed", enabled: false, answer: null }),
    ];
    const down = system({ status: async () => ({ ...status, services, well: false }) });
    const { status: exit, out } = await banger(["system", "status"], { system: () => down });
    expect(exit).toBe(1);
    expect(out).toContain("bangerd-root socket:  /run/bangerd-root.sock is not yours to ask\n");
    expect(out).toContain("bangerd:              failed (failed), does not start at boot\n");
    expect(out).toContain("bangerd socket:       /run/bangerd.sock does not answer\n");
  });

  test("install passes the owner on, and shows what came of it", async () => {
    const asked: unknown[] = [];
    const fake = system({ install: async ({ owner }) => void asked.push(owner) });
    const { status: exit, out } = await banger(["system", "install", "--owner", "alice"], {
      system: () => fake,
    });
    expect([exit, asked]).toEqual([0, ["alice"]]);
    expect(out).toStartWith("owner:                alice (uid 1000)\n");
  });

  test("install without an owner says whose it would be", async () => {
    const { status: exit, err } = await banger(["system", "install"], {
      env: { USER: "root", SUDO_USER: "bob" },
    });
    expect(exit).toBe(1);
    expect(err).toBe(
      "banger: --owner is missing: whose VMs will they be?\n  hint: sudo /usr/local/bin/banger system install --owner bob\n",
    );
  });

  test.each([
    [["install", "--owner", "it's me"], "sudo /usr/local/bin/banger system install --owner 'it'\\''s me'"],
    [["restart"], "sudo /usr/local/bin/banger system restart"],
    [["uninstall"], "sudo /usr/local/bin/banger system uninstall"],
    [["uninstall", "--purge"], "sudo /usr/local/bin/banger system uninstall --purge"],
  ])("%p has the line to paste for whoever is not root", async (words, line) => {
    const refuse = (asRoot: string) => {
      const denied = () => Promise.reject(new BangerError("denied", "it needs root", { hint: asRoot }));
      return system({ install: denied, restart: denied, uninstall: denied });
    };
    const { status: exit, err } = await banger(["system", ...words], { system: refuse });
    expect([exit, err]).toEqual([1, `banger: it needs root\n  hint: ${line}\n`]);
  });

  test("uninstall says what it kept, or that there was nothing", async () => {
    const kept = system({ uninstall: async () => ({ found: true, kept: ["/var/lib/banger"] }) });
    expect((await banger(["system", "uninstall"], { system: () => kept })).err).toBe(
      "kept: /var/lib/banger (--purge removes them too)\n",
    );
    for (const [answer, removed] of [
      ["n\n", false],
      ["y\n", true],
    ] as const) {
      let asked = false;
      const all = system({
        uninstall: async () => {
          asked = true;
          return { found: true, kept: [] };
        },
      });
      const { err } = await banger(["system", "uninstall", "--purge"], {
        ...{ system: () => all, stdin: answer, tty: { stdin: true } },
      });
      expect([asked, err]).toEqual([removed, expect.stringContaining("all VMs, images and caches? [y/N] ")]);
    }
    const none = system({ uninstall: async () => ({ found: false, kept: [] }) });
    expect(await banger(["system", "uninstall", "--purge"], { system: () => none })).toEqual({
      status: 0,
      out: "",
      err: "the system services are not installed\n",
    });
  });
});
