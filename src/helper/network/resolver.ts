/** The operations resolver.route and resolver.clear: systemd-resolved asks banger's name server for .vm, and only that. */
import { existsSync } from "node:fs";
import type { HelperParams, HelperResult } from "../../rpc/helper-contract.ts";
import { runChecked } from "../../sys/sys.ts";
import { type NetworkPlace, readNetwork, requireBridge } from "./network.ts";

/** There while systemd-resolved runs (systemd-resolved.service(8)). */
const resolved = "/run/systemd/resolve";

/** A host without systemd-resolved has nothing to be told. */
export async function routeNames(
  { port }: HelperParams<"resolver.route">,
  place: NetworkPlace,
): Promise<HelperResult<"resolver.route">> {
  if (!existsSync(resolved)) return { asks: false };
  requireBridge(readNetwork(place), place.bridge);
  await runChecked("resolvectl", ["dns", place.bridge, `127.0.0.1:${port}`]);
  await runChecked("resolvectl", ["domain", place.bridge, "~vm"]);
  await runChecked("resolvectl", ["default-route", place.bridge, "false"]);
  return { asks: true };
}

export async function clearNames(place: NetworkPlace): Promise<void> {
  if (!existsSync(resolved) || readNetwork(place).bridge === undefined) return;
  await runChecked("resolvectl", ["revert", place.bridge]);
}
