/** `banger update` on this very host: of the services where this is their program, else of the user's own. */
import { existsSync, realpathSync } from "node:fs";
import { version } from "../../base/version.ts";
import { examine } from "../../doctor/doctor.ts";
import { askIfThere } from "../../rpc/ask.ts";
import { owner } from "../../rpc/contract.ts";
import {
  runUpdate,
  systemServices,
  type Told,
  type UnderWay,
  type Updated,
  type UpdateRequest,
  userServices,
  within,
} from "../../update/update.ts";
import { type Caller, thisHost } from "./this-host.ts";

export interface Updater extends Caller, Told {
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
}

export function updateThis(request: UpdateRequest, caller: Updater): Promise<Updated> {
  const { env, signal, asRoot, say, downloaded } = caller;
  const host = thisHost(caller);
  return runUpdate(request, {
    executable: realpathSync(process.execPath),
    ...{ version, env, signal, asRoot, say, downloaded },
    uid: host.uid,
    services: (place, updates) =>
      // `install.sh --prefix /usr/local` has put a program there, and no services.
      place.link === host.places.executable && existsSync(host.places.installFile)
        ? Promise.resolve(systemServices(host, () => operations(host.places.sockets.daemon)))
        : userServices(updates),
    failing: async () =>
      (await examine(env, signal)).results.filter(({ state }) => state === "fail").map(({ id }) => id),
    now: () => new Date(),
  });
}

/** What the daemon says is the owner's word, and this is root: it is parsed. */
async function operations(socket: string): Promise<UnderWay[]> {
  const said = await askIfThere(socket, (client) =>
    within(
      10_000,
      "answer",
      client.call("daemon.operations.list", {}),
      "try again; --force goes on, and its service is started anew (VMs run on)",
    ),
  );
  return said === undefined ? [] : owner["daemon.operations.list"].result.parse(said);
}
