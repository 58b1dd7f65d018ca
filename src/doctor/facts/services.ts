/** The system services: units, sockets, versions, and whether the files that root trusts are root's. */
import { existsSync, lstatSync, realpathSync, type Stats } from "node:fs";
import { dirname } from "node:path";
import { BangerError, toBangerError } from "../../base/base.ts";
import {
  loadRootConfig,
  parentProblem,
  type RootConfig,
  rootConfigDefaults,
  rootOwnedProblem,
} from "../../config/config.ts";
import { installFile, systemConfigFile } from "../../config/paths.ts";
import { hostSystemd, systemPlaces, type UnitState, unitNames } from "../../host/host.ts";
import { askIfThere } from "../../rpc/ask.ts";

export interface UnitFacts extends UnitState {
  unit: string;
}

/** Throws host_missing where systemd does not run. */
export async function lookAtUnits(): Promise<UnitFacts[]> {
  if (!existsSync(systemPlaces().systemdRuns))
    throw new BangerError("host_missing", "systemd does not run here, and the services are its units");
  return Promise.all(
    Object.values(unitNames).map(async (unit) => ({ unit, ...(await hostSystemd.state(unit)) })),
  );
}

export interface SocketFacts {
  unit: string;
  socket: string;
  /** Null when nobody answers; `denied` when this user may not ask. */
  answer: { version: string; commit: string; pid: number } | "denied" | null;
}

/** Whether both services answer, and which build they are. */
export function lookAtSockets(signal: AbortSignal): Promise<SocketFacts[]> {
  const { sockets } = systemPlaces();
  return Promise.all(
    [
      { unit: unitNames.helper, socket: sockets.helper },
      { unit: unitNames.daemon, socket: sockets.daemon },
    ].map(async (place) => ({ ...place, answer: await ask(place.socket, signal) })),
  );
}

async function ask(socket: string, signal: AbortSignal): Promise<SocketFacts["answer"]> {
  try {
    const answer = await askIfThere(socket, (client) => client.call("ping", {}, { signal }));
    return answer === undefined ? null : { version: answer.version, commit: answer.commit, pid: answer.pid };
  } catch (error) {
    if (toBangerError(error).code === "denied") return "denied";
    throw error;
  }
}

export interface TrustedFacts {
  /** Files of root's that others could change, and why. */
  files: { path: string; exists: boolean; problem: string | undefined }[];
  /** Why /etc/banger/config.toml cannot be used. */
  problem: string | undefined;
  hint: string | undefined;
  /** The defaults where it cannot be used. */
  config: Readonly<RootConfig>;
}

export async function lookAtTrusted(): Promise<TrustedFacts> {
  const { executable } = systemPlaces();
  const files = [installFile, systemConfigFile, executable].map((path) => {
    const found = lstatSync(path, { throwIfNoEntry: false });
    return {
      path,
      exists: found !== undefined,
      problem: found === undefined ? undefined : changeable(path, found),
    };
  });
  try {
    return { files, problem: undefined, hint: undefined, config: loadRootConfig(systemConfigFile) };
  } catch (error) {
    const { message, hint } = toBangerError(error);
    return { files, problem: message, hint, config: rootConfigDefaults };
  }
}

/** Why somebody other than root could change what is at `path`, or put something else there; also where a link leads to. */
export function changeable(path: string, found: Stats): string | undefined {
  const above = dirname(path) === path ? undefined : parentProblem(path);
  if (!found.isSymbolicLink()) return rootOwnedProblem(found) ?? above;
  // A link has no mode of its own: who may change it is said by its directory.
  if (above !== undefined) return above;
  let target: string;
  try {
    target = realpathSync(path);
  } catch {
    return "it leads nowhere";
  }
  return changeable(target, lstatSync(target));
}
