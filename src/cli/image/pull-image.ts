/** image.pull, with its progress shown. Interrupted, it says what stays of a container image, and of no other. */
import type { ImageInfo, Params } from "../../rpc/contract.ts";
import type { Context } from "../context.ts";
import { startProgress } from "../output/progress.ts";

/** Only a container image has layers, and only they are kept. */
const layersStage = "image_layers";

export async function pull(ctx: Context, request: Params<"image.pull">): Promise<ImageInfo> {
  const client = await ctx.client();
  const progress = startProgress(ctx);
  let hasLayers = false;
  try {
    const pulled = await client.call("image.pull", request, {
      signal: ctx.signal,
      onEvent: (event) => {
        hasLayers ||= event.kind === "stage" && event.stage === layersStage;
        progress.event(event);
      },
    });
    progress.end(`${pulled.name} ready`);
    return pulled;
  } finally {
    progress.end();
    if (ctx.signal.aborted && hasLayers)
      ctx.err(
        "what was fetched of the container image is kept: a new pull goes on from there, and banger image cache prune frees it",
      );
  }
}
