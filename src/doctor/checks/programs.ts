/** Checks of programs that banger runs. */
import type { Tool } from "../advice.ts";
import { anywhere, type Check, defineCheck } from "../check.ts";
import type { ProgramName } from "../facts/programs.ts";
import type { Facts } from "../facts.ts";
import { type Evidence, fail, pass, warn } from "../verdict.ts";

const qemu = defineCheck({
  id: "qemu",
  group: "programs",
  modes: ["user"],
  symptoms: ["`qemu-system-x86_64 is not installed`", "`a test guest did not run with it`"],
  meaning:
    "QEMU is what runs VMs in user mode. Where KVM can be tried a guest of nine bytes is run with it: only its end says that VMs run at full speed.",
  cure: "Install QEMU 6.0 or later (Debian, Ubuntu: `sudo apt-get install --no-install-recommends qemu-system-x86`). Where /dev/kvm is there and the test guest does not run, `journalctl -k | grep -i kvm` says more; VMs run all the same, emulated.",
  dependsOn: ["architecture"],
  needs: ["qemu", "kvm", "programs"],
  judge: ({ facts: { qemu: probe, kvm, programs }, advice }) => {
    const path = programs.paths["qemu-system-x86_64"];
    const evidence: Evidence[] = [
      { looked: "qemu-system-x86_64", found: path ?? `not in ${programs.path}` },
      ...(probe.version === "" ? [] : [{ looked: "its version", found: probe.version }]),
      ...(probe.usable
        ? [
            {
              looked: "acceleration",
              found: `${probe.acceleration}${probe.reason === undefined ? "" : ` (${probe.reason})`}`,
            },
          ]
        : []),
    ];
    if (!probe.usable)
      return fail(probe.reason ?? "QEMU cannot be used", advice.install("qemu"), ...evidence);
    // Without an obstacle KVM has been tried.
    if (probe.acceleration !== "kvm" && kvm.obstacle === undefined) {
      const remedy = ["journalctl -k | grep -i kvm", "VMs run emulated as long as this is so"];
      return warn(
        `${probe.version}, but a test guest did not run with KVM: VMs are slow`,
        remedy,
        ...evidence,
      );
    }
    return pass(
      `${probe.version}, ${probe.acceleration === "kvm" ? "with KVM: a test guest ran" : "emulating"}`,
      ...evidence,
    );
  },
});

/** Programs that one package brings. */
function missing(programs: Facts["programs"], names: readonly ProgramName[]): ProgramName[] {
  return names.filter((name) => programs.paths[name] === undefined);
}

function found(programs: Facts["programs"], names: readonly ProgramName[]): Evidence[] {
  return names.map((name) => ({ looked: name, found: programs.paths[name] ?? `not in ${programs.path}` }));
}

const e2fsprogs = defineCheck({
  id: "e2fsprogs",
  group: "programs",
  modes: anywhere,
  symptoms: ["`the work disk could not be made`", "`the program mke2fs was not found`"],
  meaning:
    "e2fsprogs makes the file systems of images and VMs' work disks, and lets them grow. `mke2fs -d` came with 1.43.",
  cure: "Install e2fsprogs 1.43 or later.",
  dependsOn: [],
  needs: ["programs"],
  judge: ({ facts: { programs }, advice }) => {
    const names = ["mke2fs", "e2fsck", "resize2fs"] as const;
    const absent = missing(programs, names);
    const { e2fsprogs: version } = programs.versions;
    const evidence = [
      ...found(programs, names),
      { looked: "its version", found: version ?? "it does not say" },
    ];
    const remedy = advice.install("e2fsprogs");
    if (absent.length > 0)
      return fail(`${absent.join(", ")} not found: no VM can be made`, remedy, ...evidence);
    if (version !== undefined && older(version, [1, 43]))
      return fail(`${version} is too old: 1.43 is the least`, remedy, ...evidence);
    return pass(version ?? "there", ...evidence);
  },
});

function older(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split(".").map(Number);
  return ownMajor < major || (ownMajor === major && ownMinor < minor);
}

/** A program without which something, but not everything, works. */
function convenience(
  id: "git" | "ssh",
  words: Pick<Parameters<typeof defineCheck>[0], "symptoms" | "meaning" | "cure"> & { without: string },
): Check {
  const { without, ...said } = words;
  const tool: Tool = id;
  return defineCheck({
    ...{ id, group: "programs", modes: anywhere, dependsOn: [], needs: ["programs"] },
    ...said,
    judge: ({ facts: { programs }, advice }) => {
      const evidence = found(programs, [id]);
      if (programs.paths[id] === undefined)
        return warn(`not found: ${without}`, advice.install(tool), ...evidence);
      return pass(programs.versions[id] ?? "there", ...evidence);
    },
  });
}

const git = convenience("git", {
  symptoms: ["`git is not installed on this host`"],
  meaning: "git says which files of a repository go into a VM, and what has changed.",
  cure: "Install git; without it VMs without a repository still run.",
  without: "no repository can be put into a VM",
});

const ssh = convenience("ssh", {
  symptoms: ["`option ... needs an OpenSSH client, and there is none`"],
  meaning:
    "`banger vm ssh` is your own OpenSSH. Without it a built-in client is used, which logs in and runs commands, and no more.",
  cure: "Install OpenSSH's client.",
  without: "vm ssh has its built-in client only",
});

export const programChecks: readonly Check[] = [qemu, e2fsprogs, git, ssh];
