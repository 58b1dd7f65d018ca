/** Checks of what jails are made of: a directory of root's, and parts of the kernel. */
import { type Check, defineCheck } from "../check.ts";
import { type Evidence, fail, fixable, pass } from "../verdict.ts";

const jails = defineCheck({
  id: "jail-base",
  group: "services",
  modes: ["system"],
  symptoms: [
    "`Invalid cross-device link` (EXDEV) when a VM starts",
    "Firecracker cannot open /dev/kvm in its jail",
  ],
  meaning:
    "Jails get kernel and disks by hard links, and device nodes: so the directory must be on the state's file system, and that not mounted nodev. It must be root's.",
  cure: "Leave /var/lib/banger and /var/lib/banger-jail on one file system: mount a larger disk at /var/lib, not at one of both; take `nodev` out of its line in /etc/fstab and `sudo mount -o remount,dev` it.",
  dependsOn: ["installation"],
  needs: ["jails"],
  judge: ({ facts: { jails }, place, advice }) => {
    const { path, exists, fileSystem, sameFileSystem, problem } = jails;
    const evidence: Evidence[] = [
      { looked: path, found: exists ? (problem ?? "root's alone") : "not there" },
      {
        looked: "file system",
        found: `${fileSystem?.type ?? "none"} at ${fileSystem?.mountPoint} (${fileSystem?.options.join(",")})`,
      },
      {
        looked: place.paths.state,
        found: sameFileSystem ? "on the same file system" : "on another file system",
      },
    ];
    if (!exists || fileSystem === undefined)
      return fail(`${path} is not there`, [advice.asRoot("banger system restart")], ...evidence);
    if (problem !== undefined)
      return fixable(
        fail(`${path}: ${problem}`, [advice.asRoot(`chown root:root ${path}`)], ...evidence),
        advice.fix("root", "chown", "root:root", path),
        advice.fix("root", "chmod", "go-w", path),
      );
    if (!sameFileSystem)
      return fail(
        `${path} and ${place.paths.state} are on two file systems`,
        ["put both on one: jails are made by hard links"],
        ...evidence,
      );
    if (fileSystem.options.includes("nodev"))
      return fail(
        `${fileSystem.mountPoint} is mounted nodev: jails need device nodes`,
        [advice.asRoot(`mount -o remount,dev ${fileSystem.mountPoint}`), "and take nodev out of /etc/fstab"],
        ...evidence,
      );
    return pass(`${path}, with ${place.paths.state} on one file system`, ...evidence);
  },
});

const kernelParts = defineCheck({
  id: "kernel-modules",
  group: "services",
  modes: ["system"],
  symptoms: [
    "`the kernel has no device-mapper`",
    "bangerd-root cannot make a bridge, a TAP or a loop device",
  ],
  meaning:
    "Root disks are loop devices under the device-mapper, the network is TAPs on a bridge: the kernel must have these parts, built in or as modules.",
  cure: "Load what is missing (`sudo modprobe dm_snapshot`); if there is no such module, reboot into the kernel whose modules are installed (after an update of the kernel), or use another kernel.",
  dependsOn: [],
  needs: ["kernelParts", "machine"],
  judge: ({ facts: { kernelParts, machine }, advice }) => {
    const evidence = kernelParts.map(({ module, state }) => ({ looked: module, found: state }));
    const missing = kernelParts.filter(({ state }) => state === "missing").map(({ module }) => module);
    if (missing.length === 0) return pass(`all there, or can be loaded`, ...evidence);
    const remedy = [
      advice.asRoot(`modprobe -a ${missing.join(" ")}`),
      `reboot, if modules of ${machine.kernel} are gone since an update`,
    ];
    return fixable(
      fail(`missing: ${missing.join(", ")}`, remedy, ...evidence),
      advice.fix("root", "modprobe", "-a", ...missing),
    );
  },
});

export const jailChecks: readonly Check[] = [jails, kernelParts];
