/** The network's functions as operations. Each looks at the kernel first and takes back itself what it cannot finish. */
import type { CallLog, HelperMethod, HelperParams, HelperResult } from "../../rpc/rpc.ts";
import type { NetworkInventory } from "../inventory.ts";
import type { Operation, Site } from "../operation.ts";
import { type NetworkPlace, networkPlace, readNetwork } from "./network.ts";

type Act<M extends HelperMethod, Result> = (
  params: HelperParams<M>,
  place: NetworkPlace,
  log: CallLog,
) => Promise<Result>;
/** Methods that answer nothing. */
type Silent = "tap.release" | "nat.set" | "resolver.clear";

export function ofNetwork<M extends HelperMethod>(
  act: Act<M, HelperResult<M>>,
): Operation<M, HelperParams<M>> {
  return { validate: (params) => params, do: (params, site) => act(params, placeOf(site), site.log) };
}

export function effectOnNetwork<M extends Silent>(act: Act<M, void>): Operation<M, HelperParams<M>> {
  return {
    validate: (params) => params,
    do: async (params, site) => {
      await act(params, placeOf(site), site.log);
      return {} as HelperResult<M>;
    },
  };
}

export function networkInventory(site: Site): NetworkInventory {
  const { bridge, attached, idle } = readNetwork(placeOf(site));
  return {
    attached: attached.map(({ attachment }) => attachment),
    idleTaps: idle.length,
    bridge: bridge?.name ?? null,
  };
}

function placeOf({ config, user }: Site): NetworkPlace {
  return networkPlace(config, user.uid);
}
