/** Checks of what only the daemon knows. */
import { formatBytes } from "../../base/base.ts";
import { commit, version } from "../../base/version.ts";
import type { Vm } from "../../rpc/contract.ts";
import { anywhere, type Check, defineCheck } from "../check.ts";
import { type Evidence, fail, fixable, pass, skip, warn } from "../verdict.ts";

const daemon = defineCheck({
  id: "daemon",
  group: "vms",
  modes: ["user"],
  symptoms: ["`bangerd ended before it was ready`", "`a command is under way with another build of banger`"],
  meaning:
    "In user mode the first command that needs it starts the daemon, which ends itself when there is nothing to do. That none runs is nothing bad.",
  cure: "What kept the last one from starting is said; `banger daemon logs` says more. One of another build is replaced by the next command, unless it is at work: `banger daemon stop`.",
  dependsOn: [],
  needs: ["daemon"],
  judge: ({ facts: { daemon }, place, advice }) => {
    const { answer, socketThere, startError } = daemon;
    const evidence: Evidence[] = [
      {
        looked: place.paths.socket,
        found:
          answer !== undefined ? "it answers" : socketThere ? "a socket that nobody listens on" : "not there",
      },
    ];
    if (startError !== undefined) {
      const hint = startError.hint === undefined ? [] : [startError.hint];
      const told = { looked: place.paths.startError, found: startError.message };
      const [first = ""] = startError.message.split("\n");
      return warn(
        `the last one could not start: ${first}`,
        [...hint, "banger daemon logs"],
        ...evidence,
        told,
      );
    }
    if (answer === undefined) return pass("none runs; the next command starts one", ...evidence);
    const { status } = answer;
    const told = {
      looked: "its version",
      found: `${status.version} (${status.commit}), this is ${version} (${commit})`,
    };
    if (status.version === version && status.commit === commit)
      return pass(`runs (pid ${status.pid})`, ...evidence, told);
    return fixable(
      warn("it is of another build: the next command replaces it", ["banger daemon stop"], ...evidence, told),
      advice.fix("you", "banger", "daemon", "stop"),
    );
  },
});

/** A layer that is fuller is about to be lost. */
const nearlyFull = 0.9;

const vms = defineCheck({
  id: "vms",
  group: "vms",
  modes: anywhere,
  symptoms: [
    "`the system disk of VM ... has run full and is lost`",
    "guests report errors of their disk",
    "a VM is in state error",
  ],
  meaning:
    "Which VMs there are, whether one has failed, and in system mode how full their system disks' layers are: a layer that runs full takes the system disk with it; /root, on the work disk, stays.",
  cure: "`banger vm show NAME` says what happened. A nearly full layer: delete files in the guest and make the next VM with a larger `system_overlay_size`; one that has run full: save /root, `banger vm delete NAME`, and make a new one.",
  dependsOn: [],
  needs: ["daemon"],
  judge: ({ facts: { daemon }, place }) => {
    if (daemon.answer === undefined) {
      return skip(
        place.mode === "system"
          ? "the system daemon does not answer"
          : "no daemon runs to ask; banger vm list starts one",
      );
    }
    const { vms } = daemon.answer;
    const evidence = vms.map((vm): Evidence => ({ looked: `VM ${vm.name}`, found: stateOf(vm) }));
    const names = (some: readonly Vm[]) => some.map(({ name }) => name).join(", ");
    const lost = vms.filter(({ layer }) => layer?.overflowed);
    if (lost.length > 0) {
      const remedy = lost.map(({ name }) => `banger vm delete ${name}  # after saving what is in /root`);
      return fail(`the system disk has run full and is lost: ${names(lost)}`, remedy, ...evidence);
    }
    const full = vms.filter(
      ({ layer }) => layer !== null && layer.usedBytes >= layer.totalBytes * nearlyFull,
    );
    if (full.length > 0) {
      const remedy = [
        "delete files in the guest",
        "for the next VM a larger system_overlay_size in config.toml",
      ];
      return warn(`the system disk is nearly full: ${names(full)}`, remedy, ...evidence);
    }
    const failed = vms.filter(({ state }) => state === "error");
    if (failed.length > 0)
      return warn(
        `failed: ${names(failed)}`,
        failed.map(({ name }) => `banger vm show ${name}`),
        ...evidence,
      );
    const running = vms.filter(({ pid }) => pid !== null).length;
    return pass(`${vms.length} in all, ${running} running`, ...evidence);
  },
});

function stateOf({ state, layer, lastError }: Vm): string {
  const disk =
    layer === null ? "" : `, layer ${formatBytes(layer.usedBytes)} of ${formatBytes(layer.totalBytes)}`;
  return `${state}${disk}${lastError === null ? "" : `, ${lastError}`}`;
}

export const vmChecks: readonly Check[] = [daemon, vms];
