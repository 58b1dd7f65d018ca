/**
 * `bangerd-root --clear`: takes everything of banger's out of the kernel. For the uninstall, when the service has been
 * stopped and no VM runs. Each thing is found by its mark, whatever made it and whenever.
 */
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { BangerError, toBangerError } from "../base/base.ts";
import { journal } from "../rpc/rpc.ts";
import { clearNetwork } from "./network/clear.ts";
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
    others: () => [],
    ready: async () => {},
  };
  const { vms } = await operations.inventory({}, ctx);
  await eachInTurn([
    ...vms.flatMap(({ vm }) => [
      () => operations["machine.end"]({ vm }, ctx),
      () => operations["disk.detach"]({ vm }, ctx),
    ]),
    () => operations["resolver.clear"]({}, ctx),
    clearNetwork,
  ]);
}

/**
 * All of them, whatever becomes of the others: the owner can hold a VM's device open, or mount something in its jail, and
 * must not keep everything else in the kernel by that. Throws, after the last, what the first failure was, with the rest.
 */
export async function eachInTurn(removals: readonly (() => Promise<unknown>)[]): Promise<void> {
  const failures: BangerError[] = [];
  for (const remove of removals) {
    try {
      await remove();
    } catch (error) {
      failures.push(toBangerError(error));
    }
  }
  const [first] = failures;
  if (first === undefined) return;
  const message = failures.map((failure) => failure.message).join("; ");
  throw new BangerError(first.code, message, { hint: first.hint, details: first.details, cause: first });
}
