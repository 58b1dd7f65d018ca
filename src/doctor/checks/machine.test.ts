import { describe, expect, test } from "bun:test";
import type { KvmFacts } from "../facts/kvm.ts";
import { healthy, systemPlace, userPlace, verdict } from "../testing/healthy.ts";

const { machine } = healthy;
const without = (kind: "no extension" | "no device" | "no access", change: Partial<KvmFacts> = {}) => ({
  kvm: { ...healthy.kvm, obstacle: { kind, reason: "" }, ...change },
});

describe("the machine", () => {
  test("must be an x86_64, and nothing else is asked of one that is not", () => {
    const arm = { machine: { ...machine, arch: "arm64" } };
    expect(verdict("architecture", arm)).toMatchObject({
      state: "fail",
      summary: "arm64: banger runs on x86_64 only",
    });
    expect(verdict("kvm", arm)).toMatchObject({
      state: "skip",
      summary: "not looked at, because of architecture",
    });
  });

  test("needs memory to spare for one more VM", () => {
    const memory = { totalBytes: 4 * 1024 ** 3, availableBytes: 1024 ** 3 };
    expect(verdict("memory", { machine: { ...machine, memory } })).toEqual({
      state: "warn",
      summary: "1G available, a new VM takes 1024 MiB",
      remedy: [
        "banger vm list",
        "stop what is not needed, or make a smaller VM: banger vm run --memory 512M",
      ],
    });
  });
});

describe("KVM", () => {
  test.each([
    [
      "on bare metal the firmware",
      { ...machine },
      "switch on virtualisation (VT-x, AMD-V, SVM) in the firmware's setup",
    ],
    [
      "in a virtual machine its host",
      { ...machine, virtual: true },
      "ask this virtual machine's host for nested virtualisation",
    ],
    [
      "in WSL its configuration",
      { ...machine, virtual: true, wsl: true },
      "in %UserProfile%\\.wslconfig, below [wsl2]: nestedVirtualization=true",
    ],
  ])("is missing in the processor: %s is to be asked", (_where, changed, remedy) => {
    const found = verdict("kvm", { ...without("no extension"), machine: changed });
    expect([found.state, found.summary, found.remedy[0]]).toEqual([
      "warn",
      "VMs are emulated, slow: the CPU has no vmx or svm",
      remedy,
    ]);
  });

  test("without a device is a module's to bring, the processor's maker's own", () => {
    expect(verdict("kvm", without("no device", { device: undefined })).remedy[0]).toBe(
      "sudo modprobe kvm_intel",
    );
    const amd = { ...without("no device"), machine: { ...machine, vendor: "amd" as const } };
    expect(verdict("kvm", amd).remedy[0]).toBe("sudo modprobe kvm_amd");
  });

  test("that this user may not open is for the members of its group", () => {
    const stranger = without("no access", { inGroup: false, listed: false });
    expect(verdict("kvm", stranger).remedy).toEqual(["sudo usermod -aG kvm alice", "log out and in again"]);
    const joined = without("no access", { inGroup: false, listed: true });
    expect(verdict("kvm", joined).remedy[0]).toStartWith("newgrp kvm");
    const rootsOnly = without("no access", { device: { mode: "crw-------", group: "root" } });
    expect(verdict("kvm", rootsOnly).remedy).toEqual(["sudo chgrp kvm /dev/kvm", "sudo chmod 660 /dev/kvm"]);
    const noSuchGroup = without("no access", {
      device: { mode: "crw-------", group: "root" },
      kvmGroup: false,
    });
    expect(verdict("kvm", noSuchGroup).remedy[0]).toStartWith("sudo setfacl -m u:alice:rw /dev/kvm");
  });

  test("is all or nothing for the system services, whose machines have a device of their own", () => {
    expect(verdict("kvm", without("no extension"), systemPlace)).toMatchObject({
      state: "fail",
      summary: "no VM can run: the CPU has no vmx or svm",
    });
    expect(verdict("kvm", without("no access"), systemPlace).state).toBe("pass");
    expect(verdict("kvm", without("no access"), userPlace).state).toBe("warn");
  });
});
