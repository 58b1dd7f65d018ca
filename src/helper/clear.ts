/**
 * `bangerd-root --clear`: takes everything of banger's out of the kernel. For the uninstall, when the service has been
 * stopped and no VM runs. Each thing is found by its mark, whatever made it and whenever.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { journal } from "../rpc/rpc.ts";
import { clearNetwork } from "./clear-network.ts";
import { handlersFor } from "./operations.ts";
import type { Places } from "./places.ts";
import { openSite } from "./run.ts";

/** Throws denied or bad_config, see openSite. */
export async function clear(places: Places): Promise<void> {
  // Written before any service was started, and removed after this: without it there is nothing to clear.
  if (!existsSync(places.install)) return;
  const site = openSite(places, journal());
  const operations = handlersFor(site);
  const ctx = {
    opId: randomBytes(4).toString("hex"),
    signal: new AbortController().signal,
    emit: () => {},
    ticket: () => "",
    connectionClosed: Promise.withResolvers<void>().promise,
    otherClients: () => 0,
  };
  for (const { vm } of (await operations.inventory({}, ctx)).vms) {
    await operations["machine.end"]({ vm }, ctx);
    await operations["disk.detach"]({ vm }, ctx);
  }
  await operations["resolver.clear"]({}, ctx);
  await clearNetwork();
}
