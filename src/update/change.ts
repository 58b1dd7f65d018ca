/**
 * From one version to another: written down, the link, the services, the new doctor; and all the way back when anything of
 * that fails. Killed at any point it leaves the link on one whole version, and its next run goes on from there.
 */
import { join } from "node:path";
import { BangerError, toBangerError } from "../base/base.ts";
import { currentVersion, type InstalledPlace, programOf } from "../config/config.ts";
import { pointTo, removeOtherVersions } from "../host/host.ts";
import { removeTree } from "../sys/sys.ts";
import { type Build, failingChecks } from "./build.ts";
import { dropPending, type Pending, writePending } from "./pending.ts";
import type { Services } from "./services.ts";
import { dropDownloads } from "./stage.ts";

export interface Version {
  /** Of its directory. */
  name: string;
  build: Build;
}

export interface Change {
  place: InstalledPlace;
  updates: string;
  services: Services;
  from: Version;
  to: Version;
  /** See Pending. */
  failing: readonly string[];
  migrates: boolean;
  say(line: string): void;
}

/** Throws why the new version was not kept, after the old one runs again; or with what was left, when it does not. */
export async function carryOut(change: Change, signal: AbortSignal): Promise<void> {
  const { updates, from, to, failing, migrates } = change;
  const pending: Pending = { from: from.name, to: to.name, failing: [...failing], migrates };
  await writePending(updates, pending);
  await orBack(change, async () => {
    if (migrates) await keepState(change, signal);
    await forward(change, signal);
  });
}

/**
 * What a killed update has begun: the link is on the new version already. Once that one has changed the database there is no
 * way back by itself any more: what was made with it since would be lost.
 */
export async function finish(change: Change, signal: AbortSignal): Promise<void> {
  const { place, services, from, to, migrates } = change;
  if (!migrates || (await readsState(services, programOf(place, from.name), signal)))
    return orBack(change, () => forward(change, signal));
  try {
    await forward(change, signal);
  } catch (error) {
    const { code, message } = toBangerError(error);
    throw new BangerError(
      code,
      `the update to v${to.build.version} was cut off, and cannot be finished: ${message}`,
      {
        hint: `mend that, and run it again; v${from.build.version} cannot read the database as it is now`,
        cause: error,
      },
    );
  }
  await tidyUp(change);
}

/** Whether that version could work with the database as it is. */
export async function readsState(services: Services, program: string, signal: AbortSignal): Promise<boolean> {
  return (await services.stateTask(program, "--check-migrations", signal)).status < 2;
}

async function orBack(change: Change, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw await takenBack(change, toBangerError(error));
  }
  await tidyUp(change);
}

async function keepState({ services, from, place }: Change, signal: AbortSignal): Promise<void> {
  await services.stop();
  await mustSucceed(services, programOf(place, from.name), "--keep-state", signal);
}

async function forward(change: Change, signal: AbortSignal): Promise<void> {
  const { place, services, to, failing, say } = change;
  signal.throwIfAborted();
  await pointTo(place, to.name);
  await services.adopt(to.build);
  say(services.mode === "system" ? "starting bangerd-root and bangerd" : "starting bangerd");
  await services.bringUp(place.link, to.build, signal);
  const found = await failingChecks(place.link, signal);
  const worse = found.find(({ id }) => !failing.includes(id));
  if (worse !== undefined)
    throw new BangerError("operation_failed", `its doctor finds: ${worse.id}: ${worse.summary}`);
  signal.throwIfAborted();
}

async function tidyUp({ place, updates, services, to, migrates, say }: Change): Promise<void> {
  const told = async (what: () => Promise<void>) =>
    what().catch((error) => say(`note: ${toBangerError(error).message}`));
  if (migrates) await told(() => dropState(services, programOf(place, to.name)));
  await dropPending(updates);
  await told(() => services.afterwards(place.link));
  await sweep(place, updates, to.name);
}

/** What no version needs but `current`, also of an update that was killed when it had nothing else left to do. */
export async function sweep(place: InstalledPlace, updates: string, current: string): Promise<void> {
  await removeOtherVersions(place.versions, current, currentVersion(place) ?? current);
  await dropDownloads(updates);
}

/** The way back is not to be interrupted: whoever waits for it ends it by a second Ctrl-C. */
async function takenBack(change: Change, first: BangerError): Promise<BangerError> {
  const { place, updates, services, from, to, migrates, say } = change;
  const goOn = new AbortController().signal;
  const failed = `the update to v${to.build.version} failed`;
  const interrupted = first.code === "cancelled";
  say(`${interrupted ? "interrupted" : failed}: going back to v${from.build.version}`);
  try {
    if (migrates) await services.stop();
    await pointTo(place, from.name);
    await services.adopt(from.build);
    if (migrates) await mustSucceed(services, programOf(place, from.name), "--put-back-state", goOn);
    await services.bringUp(place.link, from.build, goOn);
    await dropPending(updates);
    await removeTree(join(place.versions, to.name));
    await dropDownloads(updates);
  } catch (error) {
    const { message } = toBangerError(error);
    const back = `going back to v${from.build.version}`;
    return new BangerError(
      // Whoever has interrupted it would not be told why by that code, but that all is as it was.
      interrupted ? "operation_failed" : first.code,
      interrupted
        ? `the update to v${to.build.version} was interrupted, and ${back} failed: ${message}`
        : `${failed}, and so did ${back} (${message}): ${first.message}`,
      { hint: `run it again: ${programOf(place, from.name)} update`, cause: first },
    );
  }
  return new BangerError(
    first.code,
    `${failed}, and was rolled back to v${from.build.version}: ${first.message}`,
    {
      hint: first.hint,
      cause: first,
    },
  );
}

async function mustSucceed(
  services: Services,
  program: string,
  word: string,
  signal: AbortSignal,
): Promise<void> {
  const { status, said } = await services.stateTask(program, word, signal);
  if (status !== 0)
    throw new BangerError("operation_failed", `bangerd ${word} failed: ${said || `status ${status}`}`);
}

async function dropState(services: Services, program: string): Promise<void> {
  await mustSucceed(services, program, "--drop-kept-state", new AbortController().signal);
}
