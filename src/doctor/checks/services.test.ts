import { describe, expect, test } from "bun:test";
import { healthy, systemPlace, verdict } from "../testing/healthy.ts";

const { units, sockets, firecracker, jails, kernelParts, trusted } = healthy;
const system = (id: string, change: Parameters<typeof verdict>[1] = {}) => verdict(id, change, systemPlace);
const daemon = "bangerd.service";
const daemonUnit = (change: Partial<(typeof units)[number]>) => ({
  units: units.map((each) => (each.unit === daemon ? { ...each, ...change } : each)),
});
const daemonAnswers = (answer: (typeof sockets)[number]["answer"]) => ({
  sockets: sockets.map((each) => (each.unit === daemon ? { ...each, answer } : each)),
});

describe("the installation", () => {
  test("of another build is not this banger's to talk to", () => {
    const { install } = systemPlace;
    if (install === undefined) throw new Error("the place has an installation");
    const place = { ...systemPlace, install: { ...install, version: "0.0.9" } };
    expect(verdict("installation", {}, place)).toEqual({
      state: "warn",
      summary: `another build is installed: 0.0.9 (${install.commit})`,
      remedy: ["use /usr/local/bin/banger", "or install this one: sudo banger system install --owner alice"],
    });
  });

  test("has services that are active, enabled and answer; a service that is down is not asked", () => {
    const down = { ...daemonUnit({ active: "failed", sub: "failed" }), ...daemonAnswers(null) };
    expect(system("services", down)).toMatchObject({ state: "fail", summary: "not active: bangerd.service" });
    expect(system("answers", down).state).toBe("skip");
    expect(system("services", daemonUnit({ enabled: false }))).toEqual({
      state: "warn",
      summary: "not started at the next boot: bangerd.service",
      remedy: ["sudo systemctl enable bangerd.service"],
    });
    expect(system("answers", daemonAnswers(null)).summary).toBe("no answer on /run/banger/bangerd.sock");
    expect(system("answers", daemonAnswers({ version: "0.0.9", commit: "0", pid: 1 })).summary).toBe(
      "of another build than the installed one: bangerd.service",
    );
    expect(system("answers", daemonAnswers("denied")).state).toBe("pass");
  });

  test("is believed by root only where others cannot have changed it", () => {
    const files = [
      { path: "/etc/banger/config.toml", exists: true, problem: "it belongs to user 1000, not to root" },
    ];
    expect(system("trusted-files", { trusted: { ...trusted, files } })).toMatchObject({
      state: "fail",
      summary: "others than root can change /etc/banger/config.toml",
    });
    const problem = "/etc/banger/config.toml:1: unknown key x";
    expect(system("trusted-files", { trusted: { ...trusted, problem } })).toMatchObject({
      state: "fail",
      summary: problem,
    });
  });
});

describe("Firecracker", () => {
  const vmm = (version: string, problem?: string) => ({ path: "/usr/bin/x", version, problem });
  const both = (version: string) => ({ ...firecracker, firecracker: vmm(version), jailer: vmm(version) });

  test("must be there, root's, and within the window of versions", () => {
    const remedy = ["sudo banger firecracker install"];
    const missing = { ...firecracker, firecracker: undefined };
    expect(system("firecracker", { firecracker: missing })).toEqual({
      state: "fail",
      summary: "firecracker is not installed",
      remedy,
    });
    const owners = { ...firecracker, firecracker: vmm("1.12.1", "it belongs to user 1000, not to root") };
    expect(system("firecracker", { firecracker: owners }).summary).toStartWith(
      "root does not run /usr/bin/x",
    );
    expect(system("firecracker", { firecracker: both("1.4.1") })).toMatchObject({
      state: "fail",
      summary: "1.4.1 is too old: 1.5.0 is the least",
    });
    expect(system("firecracker", { firecracker: both("1.15.0") })).toMatchObject({
      state: "warn",
      summary: "1.15.0 is newer than the newest tested, 1.14.1",
    });
  });

  test("that cannot run a test guest is none", () => {
    const reason = "/dev/kvm is there, but a test guest did not run with it";
    const probe = { ...firecracker.probe, usable: false, acceleration: "none", reason } as const;
    expect(system("firecracker", { firecracker: { ...firecracker, probe } })).toMatchObject({
      state: "fail",
      summary: reason,
    });
    const noKvm = { ...probe, reason: "KVM cannot be used: the CPU shows no virtualisation (vmx, svm)" };
    expect(system("firecracker", { firecracker: { ...firecracker, probe: noKvm } }).state).toBe("pass");
  });

  test("may have a jailer that follows links only where nobody else can make one", () => {
    expect(system("jailer", { firecracker: both("1.13.1") }).state).toBe("pass");
    const open = { ...jails, problem: "its mode 777 lets others than root write to it" };
    expect(system("jailer", { firecracker: both("1.13.1"), jails: open })).toMatchObject({
      state: "fail",
      summary: "1.13.1 has CVE-2026-1386, and /var/lib/banger-jail is not root's alone",
    });
    expect(system("jailer", { firecracker: both("1.13.2"), jails: open }).state).toBe("pass");
    const mixed = { ...both("1.12.1"), jailer: vmm("1.14.1") };
    expect(system("jailer", { firecracker: mixed })).toMatchObject({
      state: "warn",
      summary: "1.14.1, but firecracker is 1.12.1",
    });
  });

  test("has jails on the state's file system, with device nodes, and root's", () => {
    expect(system("jail-base", { jails: { ...jails, sameFileSystem: false } }).summary).toBe(
      "/var/lib/banger-jail and /var/lib/banger are on two file systems",
    );
    const { fileSystem } = jails;
    if (fileSystem === undefined) throw new Error("the healthy host has jails");
    const nodev = { ...fileSystem, mountPoint: "/var", options: ["rw", "nodev"] };
    expect(system("jail-base", { jails: { ...jails, fileSystem: nodev } }).remedy[0]).toBe(
      "sudo mount -o remount,dev /var",
    );
    expect(system("jail-base", { jails: { ...jails, exists: false, fileSystem: undefined } }).state).toBe(
      "fail",
    );
  });

  test("needs parts of the kernel, now or on demand", () => {
    const with_ = (state: "can be loaded" | "missing") => ({
      kernelParts: kernelParts.map((part) => (part.module === "dm_snapshot" ? { ...part, state } : part)),
    });
    expect(system("kernel-modules", with_("can be loaded")).state).toBe("pass");
    expect(system("kernel-modules", with_("missing"))).toMatchObject({
      state: "fail",
      summary: "missing: dm_snapshot",
      remedy: ["sudo modprobe -a dm_snapshot", expect.stringContaining("reboot")],
    });
  });
});
