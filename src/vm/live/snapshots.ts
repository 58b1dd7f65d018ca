/** A VM's snapshots as calls. */
import { randomBytes } from "node:crypto";
import { BangerError, nearest, type VmId } from "../../base/base.ts";
import type { VmRecord } from "../../state/state.ts";
import type { CallOptions } from "../call-options.ts";
import type { VmDeps } from "../deps.ts";
import { getVm } from "../rows.ts";
import { needDriver } from "../steps/pause.ts";
import { prepareSteps, restoreSteps, snapshotSteps } from "../steps/snapshot.ts";
import { checkRuns } from "./fork.ts";
import type { Lent } from "./live.ts";
import { SnapshotAbout, sweepCheckpoints } from "./needed-checkpoints.ts";

export interface Snapshot {
  id: string;
  name: string;
  vm: { id: VmId; name: string };
  createdAt: string;
  /** Allocated on the host: memory, and the disks as they were, which the VM stands on too. */
  sizeBytes: number;
}

/** Of one VM, or of all; the oldest first. */
export async function listSnapshots({ checkpoints, state }: VmDeps, of?: VmId): Promise<Snapshot[]> {
  const found = await allSnapshots(checkpoints);
  return found.flatMap(({ about, ...snapshot }) => {
    const vm = state.vms.get(about.vm);
    if (vm === undefined || (of !== undefined && vm.id !== of)) return [];
    return [{ ...snapshot, name: about.name, vm: { id: vm.id, name: vm.name } }];
  });
}

async function allSnapshots(checkpoints: VmDeps["checkpoints"]) {
  return (await checkpoints.list()).flatMap(({ id, about, createdAt, sizeBytes }) => {
    const { data } = SnapshotAbout.safeParse(about);
    return data === undefined ? [] : [{ id, about: data, createdAt, sizeBytes }];
  });
}

/** What a snapshot is called that was given no name: unlike the others. */
function nameFor(taken: ReadonlySet<string>): string {
  for (let number = taken.size + 1; ; number += 1) if (!taken.has(`s${number}`)) return `s${number}`;
}

export async function createSnapshot(
  { deps, locked, run }: Lent,
  id: VmId,
  wanted: string | undefined,
  options: CallOptions,
): Promise<Snapshot & { haltedMs: number }> {
  const checkpoint = deps.checkpoints.newId();
  try {
    return await locked(id, async (vm) => {
      await checkRuns(deps, vm, "saved", 1);
      const taken = new Set((await listSnapshots(deps, id)).map(({ name }) => name));
      if (wanted !== undefined && taken.has(wanted)) {
        throw new BangerError("already_exists", `VM ${vm.name} has a snapshot ${wanted} already`, {
          hint: `take another name, or remove it: banger vm snapshot delete ${vm.name} ${wanted}`,
        });
      }
      const name = wanted ?? nameFor(taken);
      const { haltedMs } = await run(snapshotSteps, id, { id, checkpoint, name }, options);
      const made = (await listSnapshots(deps, id)).find((snapshot) => snapshot.id === checkpoint);
      if (made === undefined) throw new BangerError("internal", `the snapshot ${name} is not there`);
      return { ...made, haltedMs };
    });
  } finally {
    const vm = deps.state.vms.get(id);
    if (vm !== undefined) deps.runtimes.regain(vm);
    deps.checkpoints.release(checkpoint);
    await sweepCheckpoints(deps);
  }
}

async function find(deps: VmDeps, vm: VmRecord, name: string) {
  const own = (await allSnapshots(deps.checkpoints)).filter(({ about }) => about.vm === vm.id);
  const found = own.find(({ about }) => about.name === name);
  if (found !== undefined) return found;
  const meant = nearest(
    name,
    own.map(({ about }) => about.name),
  );
  const [damaged] = await deps.checkpoints.damaged();
  if (meant === undefined && damaged !== undefined) {
    throw new BangerError(
      "not_found",
      `VM ${vm.name} has no snapshot ${JSON.stringify(name)} that is whole`,
      {
        hint: `one of some VM is damaged, and could be it: ${damaged} (it goes with the last VM; or remove the directory)`,
      },
    );
  }
  throw new BangerError("not_found", `VM ${vm.name} has no snapshot ${JSON.stringify(name)}`, {
    hint:
      meant === undefined
        ? `see what there is: banger vm snapshot list ${vm.name}`
        : `did you mean ${meant}?`,
  });
}

async function checkWhole(
  { checkpoints }: VmDeps,
  id: string,
  { vm, name }: { vm: string; name: string },
): Promise<void> {
  try {
    await checkpoints.take(id, { sealed: true });
  } catch (error) {
    if (!(error instanceof BangerError) || error.code !== "corrupt") throw error;
    throw new BangerError("corrupt", `the snapshot ${name} of VM ${vm} is damaged: ${error.message}`, {
      hint: `the VM is as it was; to get the snapshot's space back: banger vm snapshot delete ${vm} ${name}`,
    });
  }
}

/** The VM, with memory and disks, is what it was then, and runs; what it has become since is lost. */
export async function restoreSnapshot(
  { deps, locked, run, start }: Lent,
  id: VmId,
  name: string,
  options: CallOptions,
): Promise<VmRecord> {
  const aside = deps.checkpoints.newId();
  try {
    await locked(id, async (vm) => {
      needDriver(deps, "checkpoint", "restored");
      const { id: checkpoint, about } = await find(deps, vm, name);
      // Every byte of it is looked at before anything is given up for it.
      await checkWhole(deps, checkpoint, { vm: vm.name, name });
      const layer = randomBytes(4).toString("hex");
      const input = { id, checkpoint, about, layer, aside };
      await run(prepareSteps, id, input, options);
      await run(restoreSteps, id, input, options);
    });
  } finally {
    deps.checkpoints.release(aside);
    await sweepCheckpoints(deps);
  }
  await start(id, options);
  return getVm(deps.state, id);
}

export async function deleteSnapshot({ deps, locked }: Lent, id: VmId, name: string): Promise<void> {
  await locked(id, async (vm) => {
    const { id: checkpoint } = await find(deps, vm, name);
    if (vm.checkpoint?.id === checkpoint) {
      throw new BangerError("precondition", `VM ${vm.name} is about to go on from the snapshot ${name}`, {
        hint: `start it first: banger vm start ${vm.name}`,
      });
    }
    await deps.checkpoints.unseal(checkpoint);
    await sweepCheckpoints(deps);
  });
}
