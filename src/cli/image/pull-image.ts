/** image.pull, with its progress shown. */
import type { ImageInfo, Params } from "../../rpc/contract.ts";
import type { Context } from "../context.ts";
import { startProgress } from "../output/progress.ts";

export async function pull(ctx: Context, request: Params<"image.pull">): Promise<ImageInfo> {
  const client = await ctx.client();
  const progress = startProgress(ctx);
  try {
    const pulled = await client.call("image.pull", request, {
      signal: ctx.signal,
      onEvent: (event) => progress.event(event),
    });
    progress.end(`${pulled.name} ready`);
    return pulled;
  } finally {
    progress.end();
  }
}
