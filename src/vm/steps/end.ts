/** Stopping and deleting. After a crash these are gone through again, not taken back: every step bears repetition. */
import { z } from "zod";
import { BangerError } from "../../base/base.ts";
import { VmId } from "../../base/ids.ts";
import type { GuestSession } from "../../guest/guest.ts";
import { type Step, steps } from "../../pipeline/pipeline.ts";
import { removeTree } from "../../sys/sys.ts";
import type { MachineHandle } from "../../vmm/vmm.ts";
import { limits, type VmContext } from "../deps.ts";
import { vmFiles } from "../layout.ts";
import { updateVm } from "../rows.ts";
import { transition } from "../states.ts";
import { talk } from "../talk.ts";

const EndInput = z.strictObject({
  id: VmId,
  /** An orderly end: the guest's own shutdown first. A crash makes the repetition forceful where that cannot be. */
  orderly: z.boolean(),
  /** Why it ended, for `vm show`; null when a person asked for it. */
  reason: z.string().nullable(),
});
export type EndInput = z.infer<typeof EndInput>;
const nothing = z.strictObject({});

const mark: Step<VmContext, EndInput, object> = {
  name: "mark_stopping",
  output: nothing,
  do: async ({ id, deps }) => {
    const vm = deps.state.vms.get(id);
    if (vm?.state === "running" || vm?.state === "paused")
      updateVm(deps.state, deps.paths, id, { state: transition(vm, "stop") });
    return {};
  },
};

/** sync, then the guest's own power-off, for as long as it may take; never a failure: the next step ends what is left. */
const guestPowerOff: Step<VmContext, EndInput, object> = {
  name: "guest_power_off",
  output: nothing,
  do: async ({ id, deps }, { orderly }) => {
    const vm = deps.state.vms.get(id);
    const machine = vm?.machine;
    if (!orderly || machine === null || machine === undefined) return {};
    await goOn(deps, id, machine);
    const session = (await deps.runtimes.answering(id)) ?? (await bySsh(deps, id, machine));
    if (session === undefined && deps.driver.pressPowerButton === undefined) return {};
    const limit = AbortSignal.timeout(limits.orderlyStop);
    try {
      // Without an agent there may still be a keyboard.
      if (session === undefined) await deps.driver.pressPowerButton?.(machine, limit);
      else await session.powerOff("systemd", limit);
      await deps.driver.exited(machine, limit);
    } catch (error) {
      deps.log.warn("the guest did not power itself off in time", { vm: id, error: String(error) });
    }
    return {};
  },
};

/** A paused guest cannot end itself. */
async function goOn(deps: VmContext["deps"], id: VmId, machine: MachineHandle): Promise<void> {
  try {
    await deps.driver.resume?.(machine, AbortSignal.timeout(limits.resume));
    deps.runtimes.current(id)?.rest(false);
  } catch (error) {
    deps.log.warn("a machine that is to be stopped does not go on", { vm: id, error: String(error) });
  }
}

/** Its agent has been asked enough: only the other way is left, where there is one. */
async function bySsh(
  deps: VmContext["deps"],
  id: VmId,
  machine: MachineHandle,
): Promise<GuestSession | undefined> {
  const vm = deps.state.vms.get(id);
  if (vm === undefined || deps.sshTarget?.(vm) === undefined) return undefined;
  try {
    const patience = { agentMs: limits.agentAlone, agentAloneMs: 0, sshMs: limits.orderlyStop };
    const session = await talk(deps, id, machine, patience);
    deps.runtimes.attach(id, session);
    return session;
  } catch (error) {
    deps.log.warn("neither agent nor sshd of the guest answer", { vm: id, error: String(error) });
    return undefined;
  }
}

export const vmmEnd: Step<VmContext, object, object> = {
  name: "vmm_end",
  output: nothing,
  do: async ({ id, deps }) => {
    const { runDir } = vmFiles(deps.paths, id);
    deps.runtimes.detach(id, new BangerError("guest_failed", "the VM was stopped"));
    const recorded = deps.state.vms.get(id)?.machine ?? undefined;
    // A row that was found again may name one that has long ended, beside one that nobody has written down.
    const lives = recorded !== undefined && (await deps.driver.alive(recorded));
    const machine = (lives ? undefined : await deps.driver.find(id, runDir)) ?? recorded;
    if (machine !== undefined) await deps.driver.kill(machine);
    return {};
  },
};

export const network: Step<VmContext, object, object> = {
  name: "network",
  output: nothing,
  do: async ({ id, deps }) => {
    await deps.devices.disconnect(id);
    return {};
  },
};

export const rootDevice: Step<VmContext, object, object> = {
  name: "root_device",
  output: nothing,
  do: async ({ id, deps }) => {
    await deps.devices.detachRoot(id);
    return {};
  },
};

export const runDirectory: Step<VmContext, object, object> = {
  name: "run_directory",
  output: nothing,
  do: async ({ id, deps }) => {
    await removeTree(vmFiles(deps.paths, id).runDir);
    return {};
  },
};

const markStopped: Step<VmContext, EndInput, object> = {
  name: "mark_stopped",
  output: nothing,
  do: async ({ id, deps }, { reason }) => {
    const vm = deps.state.vms.get(id);
    if (vm === undefined || vm.state === "created") return {};
    const state = vm.state === "error" ? "error" : transition(vm, "stopped");
    updateVm(deps.state, deps.paths, id, {
      state,
      ...{ machine: null, startedAt: null, checkpoint: null },
      ...(reason === null ? {} : { lastError: reason }),
    });
    return {};
  },
};

/**
 * From here on it is a VM that goes with its daemon: should the power fail while its files are being removed, the next
 * daemon removes the rest, where the journal (which is not synced) may not know of it. So this is what makes a deletion last,
 * and the row's own end need not be synced.
 */
const markDeleting: Step<VmContext, EndInput, object> = {
  name: "mark_deleting",
  output: nothing,
  do: async ({ id, deps }) => {
    const vm = deps.state.vms.get(id);
    if (vm === undefined || vm.ephemeral) return {};
    deps.state.durably(() => updateVm(deps.state, deps.paths, id, { ephemeral: true }));
    return {};
  },
};

const files: Step<VmContext, EndInput, object> = {
  name: "vm_directory",
  output: nothing,
  do: async ({ id, deps }) => {
    await removeTree(vmFiles(deps.paths, id).dir);
    return {};
  },
};

const row: Step<VmContext, EndInput, object> = {
  name: "row",
  output: nothing,
  do: async ({ id, deps }) => {
    deps.state.vms.remove(id);
    return {};
  },
};

export const stopSteps = steps<VmContext, EndInput>("vm.stop", "redo", EndInput)
  .step(mark)
  .step(guestPowerOff)
  .step(vmmEnd)
  .step(network)
  .step(rootDevice)
  .step(runDirectory)
  .step(markStopped);

export const deleteSteps = steps<VmContext, EndInput>("vm.delete", "redo", EndInput)
  .step(vmmEnd)
  .step(network)
  .step(rootDevice)
  .step(runDirectory)
  .step(markDeleting)
  .step(files)
  .step(row);

/** HUP INT QUIT ABRT KILL TERM: signals that end a VMM. */
export const endingSignals: ReadonlySet<number> = new Set([1, 2, 3, 6, 9, 15]);

export type EndSteps = typeof stopSteps | typeof deleteSteps;
