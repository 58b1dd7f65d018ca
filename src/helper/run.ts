/** The helper's life: it reads what root has written, listens, and does what the table of operations says. */
import { chmodSync, chownSync, lstatSync, mkdirSync } from "node:fs";
import { BangerError, toBangerError } from "../base/base.ts";
import { commit, version } from "../base/version.ts";
import {
  loadRootConfig,
  parentProblem,
  readInstall,
  readRootOwned,
  rootOwnedProblem,
} from "../config/config.ts";
import { type CallLog, helper, type Server, type SocketPlace, serve } from "../rpc/rpc.ts";
import { Locks } from "./locks.ts";
import { clearProbe } from "./network/operation.ts";
import type { Site } from "./operation.ts";
import { handlersFor } from "./operations.ts";
import type { Places } from "./places.ts";
import { mayConnect } from "./policy.ts";

/** Throws host_missing, denied or bad_config when this is not a place for a root helper. */
export async function startHelper(places: Places, log: CallLog): Promise<Server> {
  const site = openSite(places, log);
  // A login of root's has groups, whose files are not the owner's.
  process.setgroups?.([]);
  await clearProbe(site).catch((error: unknown) =>
    log.error("what is left of a probe of the network could not be removed", {
      error: toBangerError(error).message,
    }),
  );
  const server = await serve({
    table: helper,
    program: {
      name: "bangerd-root",
      versionHint: "bring both services to one version: sudo banger system restart",
    },
    socketPath: places.socket,
    handlers: handlersFor(site),
    log,
    admits: (peer) => mayConnect(peer, site.user),
    place: ownersSocket(site),
  });
  log.info("bangerd-root is ready", { version, commit, pid: process.pid, owner: site.install.owner });
  return server;
}

export function openSite(places: Places, log: CallLog): Site {
  if (process.getuid?.() !== 0) {
    throw new BangerError("denied", "bangerd-root runs as root only", {
      hint: "user mode needs no root: just run banger vm run",
    });
  }
  const install = readRootOwned(places.install) === undefined ? undefined : readInstall(places.install);
  if (install === undefined) {
    throw new BangerError(
      "host_missing",
      `there is no ${places.install}, so nobody for whom anything may be done`,
      {
        hint: "sudo banger system install --owner USER; user mode needs none of this: just run banger vm run",
      },
    );
  }
  const config = loadRootConfig(places.config);
  return { places, install, config, user: { uid: install.uid, gid: install.gid }, log, locks: new Locks() };
}

/** A directory of root's through which the owner may pass, and in it a socket that is the owner's. */
function ownersSocket({ user }: Site): SocketPlace {
  return {
    prepare: (directory) => {
      const parent = parentProblem(directory);
      if (parent !== undefined)
        throw new BangerError("denied", `no socket is made in ${directory}: ${parent}`);
      mkdirSync(directory, { recursive: true, mode: 0o711 });
      const found = lstatSync(directory);
      const problem = found.isDirectory() ? rootOwnedProblem(found) : "it is not a directory";
      if (problem !== undefined)
        throw new BangerError("denied", `no socket is made in ${directory}: ${problem}`);
      chmodSync(directory, 0o711);
    },
    bound: (socket) => chownSync(socket, user.uid, user.gid),
  };
}
