/** KVM: the difference between a VM that boots in a second, and one that does in many. */
import type { Advice } from "../advice.ts";
import { anywhere, defineCheck } from "../check.ts";
import type { Facts } from "../facts.ts";
import { type Evidence, fail, fixable, pass, type Verdict, warn } from "../verdict.ts";

export const kvm = defineCheck({
  id: "kvm",
  group: "machine",
  modes: anywhere,
  symptoms: [
    "everything in a VM is slow; `daemon status` says `tcg`",
    "`driver: firecracker, which cannot run VMs here`",
  ],
  meaning:
    "With KVM a guest runs on the processor itself. Without it QEMU emulates one: everything works, many times slower; Firecracker cannot work without it. That /dev/kvm is there proves nothing, so a small guest is run with it (once: the daemon remembers the answer until the host boots again or the program changes).",
  cure: "Switch virtualisation (VT-x, AMD-V, SVM) on in the firmware; on a virtual machine ask its host for nested virtualisation; under WSL set `nestedVirtualization=true` in `.wslconfig`. Where only the permission is missing, join the device's group: `sudo usermod -aG kvm $USER`, and log in again.",
  dependsOn: ["architecture"],
  needs: ["machine", "kvm"],
  judge: ({ facts, advice, place }) => {
    // The system services give each machine a /dev/kvm of its own: the owner's access to the host's does not matter.
    const jailed = place.mode === "system";
    const { obstacle, device } = facts.kvm;
    const evidence: Evidence[] = [
      {
        looked: "/dev/kvm",
        found: device === undefined ? "there is none" : `${device.mode} ${device.group}`,
      },
      {
        looked: "/proc/cpuinfo",
        found: obstacle?.kind === "no extension" ? "neither vmx nor svm" : "the processor can virtualise",
      },
    ];
    if (obstacle === undefined || (jailed && obstacle.kind === "no access"))
      return pass(
        device === undefined
          ? "the processor can virtualise, and the kernel's KVM is there, without a node in /dev"
          : "the processor can virtualise, and /dev/kvm is there",
        ...evidence,
      );
    const without = jailed ? fail : warn;
    const consequence = jailed ? "no VM can run" : "VMs are emulated, slow";
    const { summary, remedy, fixes } = explain(obstacle.kind, facts, advice, place.user);
    const otherwise = jailed
      ? [`or let VMs be emulated, without the services: ${advice.asRoot("banger system uninstall")}`]
      : [];
    return fixable(
      without(`${consequence}: ${summary}`, [...remedy, ...otherwise], ...evidence),
      ...(fixes ?? []),
    );
  },
});

function explain(
  kind: "no extension" | "no device" | "no access",
  { machine, kvm: { device, inGroup, listed, kvmGroup } }: Pick<Facts, "machine" | "kvm">,
  { asRoot, fix }: Advice,
  user: string,
): Pick<Verdict, "summary" | "remedy"> & Partial<Pick<Verdict, "fixes">> {
  if (kind === "no extension") {
    const summary = "the CPU has no vmx or svm";
    if (machine.wsl)
      return {
        summary,
        remedy: ["in %UserProfile%\\.wslconfig, below [wsl2]: nestedVirtualization=true", "wsl --shutdown"],
      };
    return machine.virtual
      ? { summary, remedy: ["ask this virtual machine's host for nested virtualisation"] }
      : { summary, remedy: ["switch on virtualisation (VT-x, AMD-V, SVM) in the firmware's setup"] };
  }
  if (kind === "no device") {
    const module = machine.vendor === "intel" ? "kvm_intel" : "kvm_amd";
    return {
      summary: "there is no /dev/kvm",
      remedy: [
        asRoot(`modprobe ${module}`),
        "if that fails: switch on virtualisation in the firmware's setup",
      ],
      fixes: [fix("root", "modprobe", module)],
    };
  }
  const group = device?.group ?? "kvm";
  const forGroup = device?.mode.slice(4, 6) === "rw" && group !== "root";
  const summary = "you may not open /dev/kvm";
  if (!forGroup && !kvmGroup)
    return { summary, remedy: [`${asRoot(`setfacl -m u:${user}:rw /dev/kvm`)}  # until the next boot`] };
  if (!forGroup) {
    // As udev's rules have it; whether this user is in the group, the next doctor says.
    const fixes = [fix("root", "chgrp", "kvm", "/dev/kvm"), fix("root", "chmod", "660", "/dev/kvm")];
    return { summary, remedy: fixes.map(({ line }) => line), fixes };
  }
  return listed && !inGroup
    ? { summary, remedy: [`newgrp ${group}  # or log out and in again: you are in the group since`] }
    : { summary, remedy: [asRoot(`usermod -aG ${group} ${user}`), "log out and in again"] };
}
