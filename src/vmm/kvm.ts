/** Whether KVM is worth a try. That it is there proves nothing: a guest must really have run. */
import { accessSync, constants, existsSync, readFileSync } from "node:fs";

export type KvmObstacle = { kind: "no extension" | "no device" | "no access"; reason: string };

/** Why KVM is not even tried; undefined when it is worth a test. */
export function kvmObstacle(): KvmObstacle | undefined {
  // Some hosts carry a paravirtual KVM that opens, makes a VM and hangs any kernel in it; their CPUs show no vmx or svm.
  if (!/^flags\s*:.*\b(vmx|svm)\b/m.test(readFileSync("/proc/cpuinfo", "utf8")))
    return { kind: "no extension", reason: "the CPU shows no virtualisation (vmx, svm)" };
  try {
    accessSync("/dev/kvm", constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    // A service may have a /dev of its own, without the node (systemd's PrivateDevices); the driver is there all the same.
    const absent = error instanceof Error && "code" in error && error.code === "ENOENT";
    return absent && !existsSync("/sys/class/misc/kvm")
      ? {
          kind: "no device",
          reason:
            "there is no /dev/kvm (is virtualisation on in the firmware, and the module kvm_intel or kvm_amd loaded?)",
        }
      : {
          kind: "no access",
          reason: "/dev/kvm may not be opened by this user (sudo usermod -aG kvm $USER, then log in again)",
        };
  }
}
