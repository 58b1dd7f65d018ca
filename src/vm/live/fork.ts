/** Copies of a VM that runs: one checkpoint, and as many VMs that go on from it, each with an identity of its own. */
import { randomBytes } from "node:crypto";
import { BangerError, isVmName, toBangerError, vmNameProblem } from "../../base/base.ts";
import { newVmId, type VmName } from "../../base/ids.ts";
import type { VmRecord } from "../../state/state.ts";
import type { CallOptions } from "../call-options.ts";
import { limits, type VmDeps } from "../deps.ts";
import { generateName } from "../names.ts";
import { getVm } from "../rows.ts";
import { checkpointSteps } from "../steps/checkpoint.ts";
import { forkSteps } from "../steps/fork.ts";
import { freezing } from "../steps/frozen-disks.ts";
import { needDriver } from "../steps/pause.ts";
import { whatIsLacking } from "../warm/template-maker.ts";
import { guestCommand } from "./guest-command.ts";
import type { Lent } from "./live.ts";
import { sweepCheckpoints } from "./needed-checkpoints.ts";
import { fromForkOf } from "./suspended.ts";

export interface ForkRequest {
  /** Of the only one, or what the names of several begin with. */
  name: VmName | undefined;
  count: number;
}

export interface Forks {
  vms: VmRecord[];
  /** For how long the original stood still. */
  haltedMs: number;
}

/** All of them, or none. */
export async function forkVm(
  lent: Lent,
  id: VmRecord["id"],
  request: ForkRequest,
  options: CallOptions,
): Promise<Forks> {
  const { deps, locked, run, start } = lent;
  const checkpoint = deps.checkpoints.newId();
  const made: VmRecord[] = [];
  try {
    const { source, frozen, haltedMs } = await locked(id, async (vm) => {
      await checkRuns(deps, vm, "forked", 1 + request.count);
      namesOf(request, deps);
      const { frozen, haltedMs } = await run(checkpointSteps, id, { id, checkpoint }, options);
      return { source: getVm(deps.state, id), frozen, haltedMs };
    });
    const from = fromForkOf(source.name);
    for (const name of namesOf(request, deps)) {
      const record = forkOf(source, name);
      const input = { record, checkpoint: { id: checkpoint, from }, layers: source.layers, frozen };
      await run(forkSteps, record.id, input, { signal: options.signal });
      made.push(record);
    }
    const started = await Promise.allSettled(
      made.map(async (fork, index) => {
        await start(fork.id, index === 0 ? options : { signal: options.signal, warn: options.warn });
        await renew(deps, fork, options);
        return getVm(deps.state, fork.id);
      }),
    );
    const vms = started.map((each) => {
      if (each.status === "rejected") throw didNotCome(each.reason);
      return each.value;
    });
    // Starts from a checkpoint are not taken back; but nobody wants these any more.
    if (options.signal.aborted) throw new BangerError("cancelled", "cancelled");
    return { vms, haltedMs };
  } catch (error) {
    // Not by the caller's signal, which may be why.
    for (const fork of made) await lent.delete(fork.id, { signal: new AbortController().signal });
    throw error;
  } finally {
    const vm = deps.state.vms.get(id);
    if (vm !== undefined) deps.runtimes.regain(vm);
    deps.checkpoints.release(checkpoint);
    await sweepCheckpoints(deps);
  }
}

/** The hint of a start names the logs of a VM that is taken back. */
function didNotCome(reason: unknown): BangerError {
  const { code, message } = toBangerError(reason);
  if (code === "cancelled") return new BangerError(code, message);
  return new BangerError(code, `a fork did not come up, so none is made: ${message}`, { cause: reason });
}

/**
 * Throws precondition, and changes nothing, for a VM that cannot be saved while it runs; no_space where its memory, and its
 * disks so many times, could not be kept.
 */
export async function checkRuns(deps: VmDeps, vm: VmRecord, what: string, copies: number): Promise<void> {
  needDriver(deps, "checkpoint", what);
  if (vm.machine === null || (vm.state !== "running" && vm.state !== "paused")) {
    throw new BangerError("precondition", `VM ${vm.name} is ${vm.state}: only one that runs can be ${what}`, {
      hint: `start it first: banger vm start ${vm.name}`,
    });
  }
  if (vm.state === "running") await checkAnswers(deps, vm, what);
  const lacking = await whatIsLacking(deps, vm.spec, await freezing(deps).takes({ id: vm.id, deps }, copies));
  if (lacking === undefined) return;
  throw new BangerError(
    "no_space",
    `VM ${vm.name} cannot be ${what}: there is too little ${lacking} for what has to be kept of it`,
  );
}

/** Nobody could say who it is to a guest that does not answer: it would never go on from what was saved. */
async function checkAnswers({ runtimes }: VmDeps, vm: VmRecord, what: string): Promise<void> {
  const limit = AbortSignal.timeout(limits.knock);
  try {
    await (await runtimes.session(vm, limit)).ping(limit);
  } catch (cause) {
    throw new BangerError(
      "guest_failed",
      `VM ${vm.name} cannot be ${what}: its guest does not answer, and would not when it goes on from there`,
      {
        hint: `see what the guest says: banger vm logs ${vm.name}; or boot it anew: banger vm restart ${vm.name}`,
        cause,
      },
    );
  }
}

/** Throws already_exists when one of them is taken. */
function namesOf({ name, count }: ForkRequest, { state }: VmDeps): VmName[] {
  const taken = new Set<string>(state.vms.list().map((vm) => vm.name));
  return Array.from({ length: count }, (_, index) => {
    const wanted = name === undefined || count === 1 ? name : numbered(name, index + 1);
    if (wanted !== undefined && taken.has(wanted))
      throw new BangerError("already_exists", `a VM named ${wanted} exists already`, {
        hint: "pick another --name",
      });
    const chosen = wanted ?? generateName(taken);
    taken.add(chosen);
    return chosen;
  });
}

function numbered(name: VmName, number: number): VmName {
  const whole = `${name}-${number}`;
  if (isVmName(whole)) return whole;
  throw new BangerError("bad_request", `${whole}: ${vmNameProblem(whole)}`, {
    hint: "give a shorter --name: the forks' numbers come behind it",
  });
}

function forkOf(source: VmRecord, name: VmName): VmRecord {
  const now = new Date().toISOString();
  return {
    ...source,
    ...{
      id: newVmId(),
      name,
      state: "created",
      ephemeral: false,
      machineId: randomBytes(16).toString("hex"),
    },
    ...{ rootDisk: null, workDisk: null, layers: [], checkpoint: null, warm: null, start: null },
    ...{ machine: null, address: null, lastError: null, createdAt: now, updatedAt: now, startedAt: null },
  };
}

/**
 * journald has its machine id in memory: it ends, and systemd starts it anew (Restart=always; systemctl would take ten times as
 * long, emulated). The seed on the disk would be both VMs' at their next boot.
 */
const renewal = `rm -f /var/lib/systemd/random-seed
for comm in /proc/[0-9]*/comm; do
  read -r name 2>/dev/null <"$comm" || continue
  pid=\${comm%/comm}
  [ "$name" = systemd-journal ] && kill "\${pid#/proc/}"
done
exit 0`;

/** What of a fork's identity is in the memory of processes of the image's own. No reason to fail. */
async function renew(deps: VmDeps, { id }: VmRecord, { signal, warn }: CallOptions): Promise<void> {
  try {
    const limit = AbortSignal.any([signal, AbortSignal.timeout(limits.renewal)]);
    const session = await deps.runtimes.session(getVm(deps.state, id), limit);
    await guestCommand(session, ["sh", "-c", renewal], limit);
  } catch (error) {
    if (signal.aborted) throw error;
    deps.log.warn("a fork's journal may go on under the original's machine id", {
      vm: id,
      error: String(error),
    });
    warn?.("the fork's journal may go on under the machine id of the original");
  }
}
