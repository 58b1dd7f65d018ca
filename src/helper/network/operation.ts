/** The network's functions as operations. Each looks at the kernel first and takes back itself what it cannot finish. */
import { probeVm } from "../../net/net.ts";
import type { CallLog, HelperMethod, HelperParams, HelperResult } from "../../rpc/rpc.ts";
import type { NetworkInventory } from "../inventory.ts";
import type { Operation, Site } from "../operation.ts";
import { type NetworkPlace, networkPlace, readNetwork } from "./network.ts";
import { isProbing, probePath, removeProbe } from "./probe.ts";

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

export const pathProbe: Operation<"path.probe", HelperParams<"path.probe">> = {
  validate: (params) => params,
  do: (params, site, { signal }) => probePath(params, placeOf(site), signal),
};

/** What a helper that was killed has left of a probe. */
export function clearProbe(site: Site): Promise<void> {
  return removeProbe(placeOf(site));
}

export function networkInventory(site: Site): NetworkInventory {
  const { bridge, attached, idle } = readNetwork(placeOf(site));
  return {
    // What a probe has at this moment is nobody's leftover.
    attached: attached.map(({ attachment }) => attachment).filter(({ vm }) => vm !== probeVm || !isProbing()),
    idleTaps: idle.length,
    bridge: bridge?.name ?? null,
  };
}

function placeOf({ config, user }: Site): NetworkPlace {
  return networkPlace(config, user.uid);
}
