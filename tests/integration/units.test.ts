/** The services' units, judged by systemd itself: how far they are closed, and that it understands every line. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unitTexts } from "../../src/host/host.ts";

// An ordinary user that every Debian has.
const owner = "daemon";
const units = unitTexts(owner);
const directory = mkdtempSync(join(tmpdir(), "banger-units-"));
const written = {
  daemon: join(directory, "bangerd.service"),
  helper: join(directory, "bangerd-root.service"),
  builderSocket: join(directory, "bangerd-build.socket"),
  builder: join(directory, "bangerd-build@.service"),
};

beforeAll(() => {
  // What they start is not installed here; systemd only wants to see a program.
  const startable = (text: string) => text.replace(/^ExecStart=\S+/m, "ExecStart=/bin/true");
  for (const name of ["daemon", "helper", "builderSocket", "builder"] as const) {
    writeFileSync(written[name], startable(units[name]));
  }
});
afterAll(() => rmSync(directory, { recursive: true }));

/** Values of a key, all its lines together. */
const values = (unit: string, key: string): string[] =>
  [...unit.matchAll(new RegExp(`^${key}=(.*)$`, "gm"))].flatMap(([, value = ""]) =>
    value.split(" ").filter((word) => word !== ""),
  );

describe("systemd-analyze", () => {
  test("is of the version whose scale the limits are on", () => {
    expect(execFileSync("systemd-analyze", ["--version"], { encoding: "utf8" })).toStartWith("systemd 252 ");
  });

  test.each([
    ["bangerd", written.daemon, 18],
    ["bangerd-root", written.helper, 38],
    ["bangerd-build@", written.builder, 64],
  ])("security finds %s no more exposed than it may be", (_name, path, threshold) => {
    const { status, stdout } = spawnSync(
      "systemd-analyze",
      ["security", "--offline=true", "--no-pager", `--threshold=${threshold}`, path],
      { encoding: "utf8" },
    );
    // Its whole table, where the threshold is crossed: which line has it is the question then.
    expect([status, status === 0 ? "" : stdout]).toEqual([0, ""]);
  });

  test("verify has nothing to say about any", () => {
    const { status, stdout, stderr } = spawnSync(
      "systemd-analyze",
      ["verify", "--man=no", ...Object.values(written)],
      { encoding: "utf8" },
    );
    expect([status, stdout, stderr]).toEqual([0, "", ""]);
  });
});

const services = [
  ["bangerd", units.daemon],
  ["bangerd-root", units.helper],
  ["bangerd-build@", units.builder],
] as const;
const lasting = services.slice(0, 2);

describe("the units", () => {
  test("give the helper these eleven capabilities, and the daemon none", () => {
    expect(values(units.helper, "CapabilityBoundingSet")).toEqual([
      ...["CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_MKNOD", "CAP_NET_ADMIN"],
      ...["CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_ADMIN", "CAP_SYS_CHROOT"],
    ]);
    expect(units.daemon).toMatch(/^CapabilityBoundingSet=$/m);
    expect(units.daemon).toMatch(/^AmbientCapabilities=$/m);
  });

  test.each(services)("let the JIT of %s alone, without which Bun's FFI does not load", (_name, unit) => {
    // Not even as "no": an absent line cannot be switched by accident, and says why it is absent.
    expect(unit).not.toMatch(/^MemoryDenyWriteExecute=/m);
    expect(unit).toContain("MemoryDenyWriteExecute=");
    // Of address space Bun takes more than it uses (LimitAS), and aborts or loses the JIT where it cannot.
    expect(unit).not.toMatch(/^LimitAS=/m);
    expect(unit).toMatch(/^MemoryMax=/m);
  });

  test.each(lasting)("let machines outlive %s", (_name, unit) => {
    expect(values(unit, "KillMode")).toEqual(["process"]);
    expect(values(unit, "RuntimeDirectoryPreserve")).toEqual(["yes"]);
    expect(values(unit, "OOMPolicy")).toEqual(["continue"]);
  });

  test.each(services)("have %s unpack its shim where programs may be loaded from", (_name, unit) => {
    const place = "/usr/local/lib/banger/tmp";
    expect(values(unit, "Environment")).toEqual([`TMPDIR=${place}`]);
    const mounted = values(unit, "TemporaryFileSystem").find((value) => value.startsWith(`${place}:`));
    expect(mounted).toBeDefined();
    expect(mounted).not.toContain("noexec");
  });

  test("let the daemon write to its three directories, and the owner's home only be read", () => {
    expect(values(units.daemon, "User")).toEqual([owner]);
    expect(values(units.daemon, "ProtectSystem")).toEqual(["strict"]);
    expect(values(units.daemon, "ReadWritePaths")).toEqual([
      "/var/lib/banger",
      "/var/cache/banger",
      "/var/lib/banger-jail",
    ]);
    expect([values(units.daemon, "RuntimeDirectory"), values(units.daemon, "RuntimeDirectoryMode")]).toEqual([
      ["banger"],
      ["0700"],
    ]);
    expect(values(units.daemon, "ProtectHome")).toEqual(["read-only"]);
  });

  test("leave a build's newuidmap four capabilities and its setuid bit, give it the image store to write to, and end it whole", () => {
    const { builder, builderSocket } = units;
    expect(values(builder, "User")).toEqual([owner]);
    expect(values(builder, "CapabilityBoundingSet")).toEqual([
      ...["CAP_DAC_OVERRIDE", "CAP_SETGID", "CAP_SETUID", "CAP_SYS_ADMIN"],
    ]);
    expect(builder).toMatch(/^AmbientCapabilities=$/m);
    // newuidmap is setuid; each of these would imply what forbids that.
    expect(builder).not.toMatch(
      /^(NoNewPrivileges|SystemCall|Restrict|ProtectKernel|PrivateDevices|Lock)\w*=/m,
    );
    expect(values(builder, "ProtectSystem")).toEqual(["strict"]);
    expect([values(builder, "ReadWritePaths"), values(builder, "BindPaths")]).toEqual([
      [],
      ["/var/lib/banger/images"],
    ]);
    expect(values(builder, "BindReadOnlyPaths").filter((path) => path.includes("banger"))).toEqual([
      "/var/lib/banger/kernels",
      "-/var/cache/banger/downloads",
    ]);
    expect(values(builder, "PrivateTmp")).toEqual(["yes"]);
    expect(values(builder, "KillMode")).toEqual(["control-group"]);
    expect([values(builderSocket, "SocketUser"), values(builderSocket, "SocketMode")]).toEqual([
      [owner],
      ["0600"],
    ]);
  });

  test("leave the helper what it works with, and openat2", () => {
    expect(values(units.helper, "RuntimeDirectoryMode")).toEqual(["0711"]);
    // systemd 252 makes openat2 fail with ENOSYS under it: its flags are out of seccomp's sight.
    expect(units.helper).not.toMatch(/^RestrictSUIDSGID=/m);
    for (const key of ["PrivateDevices", "PrivateUsers", "ProtectControlGroups", "ProtectProc"]) {
      expect(units.helper).not.toMatch(new RegExp(`^${key}=`, "m"));
    }
  });
});
