/** An update that was killed, by the next one. */
import { BangerError } from "../base/base.ts";
import { currentVersion, type InstalledPlace, programOf } from "../config/config.ts";
import { type Build, buildOf } from "./build.ts";
import { type Change, finish, readsState } from "./change.ts";
import { refuseWhileUsed } from "./in-use.ts";
import { dropPending, recallPending } from "./pending.ts";
import type { Services } from "./services.ts";

interface Begun {
  place: InstalledPlace;
  updates: string;
  services: Services;
  /** As the update is asked for that comes upon it: UpdateRequest. */
  request: { dryRun: boolean; force: boolean };
  say(line: string): void;
}

/**
 * Afterwards none is pending: it was brought to its end, or back. Throws as carryOut does; precondition, with nothing changed,
 * when others would be cut off by that, or nothing is to be changed.
 */
export async function resume(begun: Begun, signal: AbortSignal): Promise<void> {
  const { place, updates, services, say } = begun;
  const pending = await recallPending(updates);
  if (pending === undefined) return;
  const current = currentVersion(place);
  const from = await buildIfThere(place, pending.from, signal);
  // With neither, something else was installed since.
  const inTheWay = from !== undefined && (current === pending.to || current === pending.from);
  if (inTheWay) await refuseUnasked(begun, from, pending.to);
  if (current === pending.to && from !== undefined) {
    const to = await buildIfThere(place, pending.to, signal);
    // One that does not even run is named by its directory.
    const build = to ?? { version: pending.to, commit: "unknown", builtAt: "unknown" };
    say(`an update to v${build.version} was cut off: going on with it`);
    const change: Change = {
      ...{ place, updates, services, say },
      ...{ from: { name: pending.from, build: from }, to: { name: pending.to, build } },
      ...{ failing: pending.failing, migrates: pending.migrates },
    };
    await finish(change, signal);
    say(`v${build.version} is in the place of v${from.version}`);
    return;
  }
  if (current === pending.from && from !== undefined) {
    if (pending.migrates) await settleState(begun, pending.from, signal);
    // It may have been killed on its way back, the link being back and the services not.
    await services.adopt(from);
    await services.bringUp(place.link, from, signal);
  }
  await dropPending(updates);
}

async function refuseUnasked({ request, services }: Begun, from: Build, to: string): Promise<void> {
  if (request.dryRun) {
    throw new BangerError(
      "precondition",
      `an update from v${from.version} to ${to} was cut off, and --dry-run does not go on with it`,
      { hint: "banger update first brings that to its end, or takes it back" },
    );
  }
  if (!request.force) refuseWhileUsed(await services.operations());
}

/** It may have been stopped for a copy of its database; and was that changed already, and the link put back? */
async function settleState({ place, services }: Begun, name: string, signal: AbortSignal): Promise<void> {
  const program = programOf(place, name);
  await services.stop();
  const word = (await readsState(services, program, signal)) ? "--drop-kept-state" : "--put-back-state";
  const { status, said } = await services.stateTask(program, word, signal);
  if (status !== 0) throw new BangerError("operation_failed", `bangerd ${word} failed: ${said}`);
}

async function buildIfThere(
  place: InstalledPlace,
  name: string,
  signal: AbortSignal,
): Promise<Build | undefined> {
  return buildOf(programOf(place, name), signal).catch((error: unknown) => {
    if (signal.aborted) throw error;
    return undefined;
  });
}
