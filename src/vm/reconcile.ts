/** At the daemon's start: rows and the world are made to agree. Kills and removes nothing that is not banger's. */
import { readdirSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import { toBangerError, type VmId } from "../base/base.ts";
import type { VmRecord } from "../state/state.ts";
import { removeTree } from "../sys/sys.ts";
import { limits, type VmDeps } from "./deps.ts";
import { vmFiles } from "./layout.ts";
import { sweepCheckpoints } from "./live/needed-checkpoints.ts";
import { generateName } from "./names.ts";
import { mirror, updateVm, vmDirectories } from "./rows.ts";
import type { VmService } from "./service.ts";
import { isIdle } from "./states.ts";
import { talk } from "./talk.ts";

/**
 * 1. finishes what the journal says was under way; 2. adopts VMs that only their directory knows (the database was
 * lost) and sets directories aside that nobody knows; 3. removes VMs whose connection died with the daemon; 4. marks
 * machines that ended meanwhile, and finds those that run on their sessions again; 5. ends machines without a row, and
 * takes back what the host has lent to machines that do not run.
 */
export async function reconcile(deps: VmDeps, service: VmService): Promise<void> {
  await finishJournal(deps, service);
  await adoptDirectories(deps);
  const quiet = { signal: new AbortController().signal };
  for (const vm of deps.state.vms.list()) {
    if (vm.ephemeral) {
      await attempt(deps, vm.id, "deleting a VM that ended with its daemon", () =>
        service.delete(vm.id, quiet),
      );
      continue;
    }
    const machine = vm.machine ?? (await deps.driver.find(vm.id, vmFiles(deps.paths, vm.id).runDir));
    if (vm.state === "created" && machine) {
      // It was made in advance, and nobody has told it yet who it is.
      await attempt(deps, vm.id, "ending the machine of a VM that was not started", async () => {
        await deps.driver.kill(machine);
        await removeTree(vmFiles(deps.paths, vm.id).runDir);
      });
    } else if (vm.state === "suspended" && machine) {
      await attempt(deps, vm.id, "ending the machine of a suspended VM", () =>
        service.live.settleSuspended(vm.id),
      );
    } else if (machine !== undefined && machine !== null && (await deps.driver.alive(machine))) {
      const state = vm.state === "paused" ? "paused" : "running";
      const known = vm.state === state ? vm : updateVm(deps.state, deps.paths, vm.id, { state, machine });
      await settleMachine(deps, known);
      // A paused guest answers when it goes on.
      if (state === "running") reattach(deps, known.id);
      service.watch(known);
    } else if (!isIdle(vm) && vm.state !== "suspended") {
      updateVm(deps.state, deps.paths, vm.id, {
        state: "stopped",
        machine: null,
        startedAt: null,
        lastError: machineEndedUnseen,
      });
      deps.happened?.("vm.stopped", vm, { reason: machineEndedUnseen });
      await removeTree(vmFiles(deps.paths, vm.id).runDir);
    }
  }
  await removeStrayRunDirectories(deps);
  await deps.templates?.tidy();
  // What they may take may have been set anew.
  await deps.templates?.fit(deps.templates.maxBytes);
  await sweepCheckpoints(deps);
  await takeBackDevices(deps);
}

const machineEndedUnseen = "the machine ended while the daemon was away";

async function finishJournal(deps: VmDeps, service: VmService): Promise<void> {
  for (const open of deps.state.journal.open()) {
    try {
      await service.recover(open);
      deps.log.info("finished what a killed daemon had begun", { list: open.list });
    } catch (error) {
      deps.log.error("recovery failed; it is tried again at the next start", {
        list: open.list,
        error: String(error),
      });
    }
  }
}

async function adoptDirectories(deps: VmDeps): Promise<void> {
  const known = new Set(deps.state.vms.list().map((vm) => vm.id));
  for (const { id, begun, record } of vmDirectories(deps.paths)) {
    if (known.has(id)) continue;
    if (record === undefined) {
      const { dir } = vmFiles(deps.paths, id);
      if (!begun && deps.state.setAside === undefined) {
        // With a whole database that has no row of it, it was never said to be there: the power went while it was made.
        deps.log.info("removing what was left of a VM that had not been made yet", { dir });
        await removeTree(dir);
        continue;
      }
      // There are disks in it that may be somebody's work. What a killed create left is known by the journal.
      deps.log.error("a VM's directory is in no database, and its vm.json cannot be read: set aside", {
        from: dir,
        to: `${dir}.lost`,
      });
      await rename(dir, `${dir}.lost`);
      continue;
    }
    adopt(deps, record);
  }
}

/** A VM that only its directory knows gets its row back; a name that is taken by now is not. */
function adopt(deps: VmDeps, lost: VmRecord): void {
  const names = new Set(deps.state.vms.list().map((vm) => vm.name));
  const record = names.has(lost.name) ? { ...lost, name: generateName(names) } : lost;
  deps.log.warn("adopting a VM that the database had lost", {
    vm: lost.id,
    name: record.name,
    was: lost.name,
  });
  deps.state.vms.insert(record);
  mirror(deps.paths, record);
}

/** Opens the session of a machine that outlived the daemon, or lost it. Calls that come meanwhile wait for it. */
export function reattach(deps: VmDeps, id: Parameters<VmDeps["runtimes"]["attach"]>[0]): void {
  const machine = deps.state.vms.get(id)?.machine;
  if (!machine) return;
  const agentAloneMs = deps.runtimes.channel(id) === "ssh" ? limits.agentAloneAgain : limits.agentAlone;
  deps.runtimes.expectSession(id);
  void talk(deps, id, machine, { agentMs: limits.reattach, agentAloneMs, sshMs: limits.ssh })
    .then((session) => deps.runtimes.attach(id, session))
    .catch((error: unknown) => {
      deps.log.error("the guest agent of a running VM does not answer", { vm: id, error: String(error) });
      const { details } = toBangerError(error);
      deps.runtimes.giveUp(id, typeof details?.ssh === "string" ? details.ssh : undefined);
    });
}

/** Run directories of VMs that have no row: their machines are ended first. */
async function removeStrayRunDirectories(deps: VmDeps): Promise<void> {
  const rows = deps.state.vms.list();
  const wanted = new Set(rows.map((vm) => vmFiles(deps.paths, vm.id).runDir));
  for (const name of readdirSync(deps.paths.run)) {
    const runDir = join(deps.paths.run, name);
    if (wanted.has(runDir) || !/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}$/.test(name)) continue;
    for (const machine of await deps.driver.findIn(runDir)) await deps.driver.kill(machine);
    await removeTree(runDir);
  }
}

async function takeBackDevices(deps: VmDeps): Promise<void> {
  const running = new Set(deps.state.vms.list().flatMap((vm) => (vm.machine === null ? [] : vm.id)));
  for (const id of await deps.devices.present()) {
    if (running.has(id)) continue;
    await attempt(deps, id, "taking back devices of a VM that does not run", async () => {
      await deps.devices.disconnect(id);
      await deps.devices.detachRoot(id);
    });
  }
}

/** A daemon that was killed may have left a machine halted that is to run, or running that is to stand still. */
async function settleMachine({ driver, log }: VmDeps, { id, state, machine }: VmRecord): Promise<void> {
  const limit = AbortSignal.timeout(limits.resume);
  try {
    if (machine !== null) await (state === "paused" ? driver.pause : driver.resume)?.(machine, limit);
  } catch (error) {
    log.error("a machine does not do as it is told", { vm: id, state, error: toBangerError(error).message });
  }
}

/** One VM that cannot be cleared up keeps no daemon from starting: it is tried again by the next, and by its own commands. */
async function attempt(deps: VmDeps, vm: VmId, what: string, act: () => Promise<unknown>): Promise<void> {
  deps.log.warn(what, { vm });
  try {
    await act();
  } catch (error) {
    deps.log.error(`${what} failed`, { vm, error: toBangerError(error).message });
  }
}
