/** What of banger's there is in the kernel and in the jails: the root helper's own list, which changes nothing. */
import { helperSocket } from "../../config/paths.ts";
import { connectHelper, type HelperResult } from "../../rpc/rpc.ts";

/** Throws unavailable when the helper does not run, denied for anybody but root and the owner. */
export async function takeInventory(signal: AbortSignal): Promise<HelperResult<"inventory">> {
  const helper = await connectHelper(helperSocket);
  try {
    return await helper.call("inventory", {}, { signal });
  } finally {
    helper.close();
  }
}
