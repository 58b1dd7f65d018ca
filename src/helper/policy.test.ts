/** What the helper refuses, and what its parsers make of what the kernel says. Nothing here needs root. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BangerError } from "../base/base.ts";
import { ImageId, newVmId, VmId } from "../base/ids.ts";
import { verdict } from "./disk/check.ts";
import { parseSnapshotStatus, parseSnapshotTable } from "./disk/snapshot.ts";
import { jailerArguments, limitsOf } from "./machine/jailer.ts";
import {
  baseTag,
  mapperMinors,
  mapperName,
  mapperUuid,
  overlayTag,
  vmOfMapperUuid,
  vmOfOverlayTag,
} from "./names.ts";
import {
  checkConfiguredPath,
  checkFirecrackerName,
  checkJailBase,
  checkOwnedFile,
  checkProgram,
  mayConnect,
} from "./policy.ts";

const owner = { uid: 1000 };
const vm = VmId.parse("0b8c9a1e-1f0e-4b57-9d3c-2f1a6f0e9c11");
const image = ImageId.parse(`sha256:${"ab".repeat(32)}`);
const file = (facts: Partial<{ uid: number; nlink: number; mode: number; kind: "file" | "other" }>) => ({
  uid: 1000,
  nlink: 1,
  mode: 0o100644,
  isFile: () => facts.kind !== "other",
  isDirectory: () => facts.kind === "other",
  ...facts,
});
const codeOf = (act: () => unknown) => {
  try {
    act();
    return "allowed";
  } catch (error) {
    return error instanceof BangerError ? error.code : String(error);
  }
};

describe("the socket", () => {
  test("admits root and the owner, and nobody else", () => {
    expect([0, 1000, 1001, 65534, 4294967295].filter((uid) => mayConnect({ uid }, owner))).toEqual([0, 1000]);
  });
});

describe("a file of the owner's", () => {
  const check = (facts: Parameters<typeof file>[0], links: "one" | "any" = "one") =>
    codeOf(() => checkOwnedFile("vms/x/root.cow", file(facts), { ...owner, links }));

  test("is a regular file, the owner's, with one name", () => {
    expect(check({})).toBe("allowed");
    expect(check({ uid: 0 })).toBe("denied");
    expect(check({ uid: 1001 })).toBe("denied");
    expect(check({ kind: "other" })).toBe("denied");
    expect(check({ nlink: 2 })).toBe("denied");
    expect(check({ nlink: 0 })).toBe("denied");
  });

  test("may have several names where the store shares it", () => {
    expect(check({ nlink: 7 }, "any")).toBe("allowed");
    expect(check({ nlink: 7, uid: 0 }, "any")).toBe("denied");
  });
});

describe("a program that root runs", () => {
  const check = (facts: Parameters<typeof file>[0], parents?: string) =>
    codeOf(() =>
      checkProgram("/usr/local/bin/firecracker", file({ uid: 0, mode: 0o100755, ...facts }), parents),
    );

  test("is root's, and so is all above it", () => {
    expect(check({})).toBe("allowed");
    expect(check({ uid: 1000 })).toBe("denied");
    expect(check({ mode: 0o100775 })).toBe("denied");
    expect(check({ mode: 0o100757 })).toBe("denied");
    expect(check({ mode: 0o100644 })).toBe("denied");
    expect(check({ kind: "other" })).toBe("denied");
    expect(check({}, "/usr/local: its mode 777 lets others than root write to it")).toBe("denied");
  });

  test("is named firecracker, by a path that means one thing", () => {
    expect(codeOf(() => checkFirecrackerName("/opt/firecracker"))).toBe("allowed");
    expect(codeOf(() => checkFirecrackerName("/opt/firecracker-v1.12"))).toBe("bad_config");
    const paths = [
      "/opt/jailer",
      "~/jailer",
      "/opt/../jailer",
      "/opt//jailer",
      "/",
      "jailer",
      "/opt/jailer/",
    ];
    expect(
      paths.filter((path) => codeOf(() => checkConfiguredPath("jailer_bin", path)) === "allowed"),
    ).toEqual(["/opt/jailer"]);
  });
});

test("jails are made below directories that are root's alone", () => {
  const check = (facts: object, problem?: string) =>
    codeOf(() => checkJailBase("/jails", file({ kind: "other", uid: 0, mode: 0o40711, ...facts }), problem));
  expect(check({})).toBe("allowed");
  expect(check({ uid: 1000 })).toBe("denied");
  expect(check({ mode: 0o41777 })).toBe("denied");
  expect(check({ kind: "file" })).toBe("denied");
  expect(check({}, "/srv: it belongs to user 1000, not to root")).toBe("denied");
});

describe("names of kernel objects", () => {
  test("carry the VM's id, and lead back to it", () => {
    expect(mapperName(vm)).toBe("fc-rootfs-0b8c9a1e");
    expect(vmOfMapperUuid(mapperUuid(vm))).toBe(vm);
    expect(vmOfOverlayTag(overlayTag(vm))).toBe(vm);
    expect(baseTag(image)).toBe("banger:base:abababababababab");
    for (const foreign of ["", "LVM-x", "BANGER-", "BANGER-../x", `banger-${vm}`, `BANGER-${vm}x`])
      expect(vmOfMapperUuid(foreign)).toBeUndefined();
    for (const foreign of [
      "",
      "/dev/sda",
      "banger:base:abababababababab",
      `banger:${vm}:cow2`,
      "banger:x:cow",
    ])
      expect(vmOfOverlayTag(foreign)).toBeUndefined();
  });

  test("fit the kernel's fields: LO_NAME_SIZE, DM_NAME_LEN, DM_UUID_LEN", () => {
    expect(Math.max(overlayTag(vm).length, baseTag(image).length)).toBeLessThan(64);
    expect(mapperName(vm).length).toBeLessThan(128);
    expect(mapperUuid(vm).length).toBeLessThan(129);
  });

  test("have minor numbers that the kernel gives nobody by itself", () => {
    for (let round = 0; round < 1000; round += 1) {
      const minors = mapperMinors(newVmId());
      expect(minors.every((minor) => minor >= 2 ** 19 && minor < 2 ** 20)).toBe(true);
      expect(minors).toHaveLength(8);
    }
  });
});

describe("what the device-mapper says", () => {
  test("of a snapshot's use", () => {
    expect(parseSnapshotStatus("snapshot 144/65536 16")).toEqual({
      usedSectors: 144,
      totalSectors: 65536,
      overflowed: false,
    });
    for (const word of ["Invalid", "Overflow", "Merge failed"])
      expect(parseSnapshotStatus(`snapshot ${word}`).overflowed).toBe(true);
    for (const odd of ["", "linear", "snapshot Unknown", "snapshot 1/2", "snapshot -1/2 3"])
      expect(codeOf(() => parseSnapshotStatus(odd))).toBe("operation_failed");
  });

  test("of a snapshot's table: two loop devices, or it is none of ours", () => {
    expect(parseSnapshotTable("snapshot 7:0 7:11 P 8")).toEqual({ origin: 0, cow: 11 });
    expect(parseSnapshotTable("snapshot 7:0 7:11 PO 8 1 discard_zeroes_cow")).toEqual({ origin: 0, cow: 11 });
    for (const foreign of [
      "snapshot 8:0 7:11 P 8",
      "snapshot 7:0 8:1 P 8",
      "snapshot 7:0 7:1 N 8",
      "linear 7:0 0",
      "",
    ])
      expect(parseSnapshotTable(foreign)).toBeUndefined();
  });

  test("is never taken for anything but numbers", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        expect(["undefined", "object"]).toContain(typeof parseSnapshotTable(text));
        expect(codeOf(() => parseSnapshotStatus(text))).toBe("operation_failed");
      }),
    );
  }, 60_000);
});

test("e2fsck's verdict", () => {
  expect(verdict(vm, 0, "clean")).toEqual({ repaired: false });
  for (const status of [1, 2, 3]) expect(verdict(vm, status, "")).toEqual({ repaired: true });
  expect(codeOf(() => verdict(vm, 4, "UNEXPECTED INCONSISTENCY"))).toBe("corrupt");
  for (const status of [8, 12, 16, 32, 128 + 9])
    expect(codeOf(() => verdict(vm, status, ""))).toBe("operation_failed");
  expect(() => verdict(vm, 8, "Bad magic number\nwhile opening\nusage:\n  e2fsck DEVICE\n")).toThrow(
    "Bad magic number",
  );
});

describe("jailer", () => {
  const request = {
    vm,
    firecracker: "/usr/local/bin/firecracker",
    user: { uid: 1000, gid: 1001 },
    jailBase: "/var/lib/banger-jail",
    vcpu: 2,
    memoryMiB: 1024,
  };

  test("is told everything by words of ours and numbers", () => {
    expect(jailerArguments(request).join(" ")).toBe(
      `--id ${vm} --exec-file /usr/local/bin/firecracker --uid 1000 --gid 1001 --chroot-base-dir /var/lib/banger-jail` +
        " --cgroup-version 2 --parent-cgroup banger --cgroup memory.max=1224736768" +
        " --cgroup cpu.max=300000 100000 --cgroup pids.max=34 -- --level Warning",
    );
    expect(jailerArguments({ ...request, background: true }).join(" ")).toContain(
      " --cgroup cpu.weight=1 --",
    );
  });

  test("limits a machine to what it was given, and a little", () => {
    const { memoryMaxBytes } = limitsOf({ vcpu: 1, memoryMiB: 512 });
    expect(memoryMaxBytes / 1024 / 1024).toBe(512 + 128 + 8);
  });
});
