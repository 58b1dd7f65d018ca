import { describe, expect, test } from "bun:test";
import { parseDistribution } from "../distribution.ts";
import type { ProgramName } from "../facts/programs.ts";
import { healthy, userPlace, verdict } from "../testing/healthy.ts";

const { programs, images, builds } = healthy;
const absent = (...names: ProgramName[]) => ({
  programs: {
    ...programs,
    paths: Object.fromEntries(
      Object.entries(programs.paths).filter(([name]) => !names.some((each) => each === name)),
    ),
  },
});
const unbuilt = { images: { ...images, image: { stored: undefined, inCatalog: true } } };

describe("programs", () => {
  test("QEMU that is not there is a failure, with the distribution's own line", () => {
    const reason = "qemu-system-x86_64 is not installed";
    const qemu = { driver: "qemu", usable: false, acceleration: "none", version: "", reason } as const;
    expect(verdict("qemu", { qemu, ...absent("qemu-system-x86_64") })).toEqual({
      state: "fail",
      summary: reason,
      remedy: ["sudo apt-get install --no-install-recommends qemu-system-x86"],
    });
    const fedora = parseDistribution("ID=fedora");
    expect(verdict("qemu", { qemu }, userPlace, fedora).remedy).toEqual([
      "sudo dnf install qemu-system-x86-core",
    ]);
  });

  test("QEMU under which a test guest did not run with KVM is slow, and says so", () => {
    const qemu = { ...healthy.qemu, acceleration: "tcg", reason: "software emulation: it hung" } as const;
    expect(verdict("qemu", { qemu })).toMatchObject({
      state: "warn",
      summary: "7.2.22, but a test guest did not run with KVM: VMs are slow",
    });
  });

  test("QEMU that emulates because there is no KVM is as well as can be: that is another check's to say", () => {
    const kvm = { ...healthy.kvm, obstacle: { kind: "no extension", reason: "" } } as const;
    expect(verdict("qemu", { kvm, qemu: { ...healthy.qemu, acceleration: "tcg" } })).toMatchObject({
      state: "pass",
      summary: "7.2.22, emulating",
    });
  });

  test("e2fsprogs must be there as a whole, and not too old", () => {
    expect(verdict("e2fsprogs", absent("resize2fs"))).toMatchObject({
      state: "fail",
      summary: "resize2fs not found: no VM can be made",
    });
    const versions = { ...programs.versions, e2fsprogs: "1.42.13" };
    expect(verdict("e2fsprogs", { programs: { ...programs, versions } })).toMatchObject({
      state: "fail",
      summary: "1.42.13 is too old: 1.43 is the least",
    });
  });

  test("git and ssh are missed by some commands only", () => {
    expect(verdict("git", absent("git"))).toEqual({
      state: "warn",
      summary: "not found: no repository can be put into a VM",
      remedy: ["sudo apt-get install git"],
    });
    expect(verdict("ssh", absent("ssh"))).toMatchObject({
      state: "warn",
      remedy: ["sudo apt-get install openssh-client"],
    });
  });
});

describe("building images", () => {
  test("matters more while there is no image", () => {
    const missing = absent("mmdebstrap", "newuidmap", "newgidmap");
    expect(verdict("image-build", { ...missing, ...unbuilt })).toEqual({
      state: "fail",
      summary: "no image can be built: mmdebstrap, newuidmap, newgidmap not found",
      remedy: ["sudo apt-get install mmdebstrap uidmap"],
    });
    expect(verdict("image-build", missing).state).toBe("warn");
  });

  test("needs no namespace as root", () => {
    const root = { builds: { ...builds, namespace: "as root" as const } };
    expect(verdict("image-build", { ...absent("newuidmap"), ...root }).state).toBe("pass");
  });

  test("needs the kernel's leave, and a mirror", () => {
    const namespace = {
      kind: "no namespace",
      reason: "no",
      remedy: "sudo sysctl -w user.max_user_namespaces=10000",
    } as const;
    expect(verdict("image-build", { builds: { ...builds, namespace } }).remedy).toEqual([
      "sudo sysctl -w user.max_user_namespaces=10000",
    ]);
    const mirror = { reason: "this machine's apt sources name no Debian mirror", keyring: true };
    expect(verdict("image-build", { ...unbuilt, builds: { ...builds, mirror } }).remedy).toEqual([
      'in /home/alice/.config/banger/config.toml: debian_mirror = "http://deb.debian.org/debian"',
    ]);
    const unsigned = { reason: "the keyring that signs Debian's packages is not installed", keyring: false };
    expect(verdict("image-build", { builds: { ...builds, mirror: unsigned } }).remedy).toEqual([
      "sudo apt-get install debian-archive-keyring",
    ]);
  });
});
