/** The way that a guest's packets take, tried by the root helper: see path.probe of its contract. */
import { helperSocket } from "../../config/paths.ts";
import { connectHelper, type HelperResult } from "../../rpc/rpc.ts";
import type { Place } from "../place.ts";
import { guestsNameServer } from "./name-server.ts";

export interface GuestPathFacts extends HelperResult<"path.probe"> {
  /** The name server that was asked; undefined when there is none that guests could ask. */
  server: string | undefined;
}

/** Throws unavailable when the helper does not run, and what it says when there is no bridge, or no way out can be made. */
export async function tryGuestPath(place: Place, signal: AbortSignal): Promise<GuestPathFacts> {
  const { server } = await guestsNameServer(place);
  const helper = await connectHelper(helperSocket);
  try {
    return { server, ...(await helper.call("path.probe", { server: server ?? null }, { signal })) };
  } finally {
    helper.close();
  }
}
