/** Ready-made programs that go into images: fetched before a build, which goes without those that cannot be had. */
import { BangerError } from "../../base/base.ts";
import { imageCatalog } from "../../catalog/catalog.ts";
import type { StoredImage } from "../../image/image.ts";
import { type FoundTool, fetchTool, findTools, type Tool, toolOf } from "../../release/release.ts";
import type { ProgressContext } from "../parts.ts";

export interface ToolRequest {
  tools: readonly Tool[];
  /** For which they are. */
  image: string;
  downloads: string;
}

/** Those that there are now; a warning for each of the others. Throws cancelled, and what no other try would change. */
export async function gatherTools(request: ToolRequest, ctx: ProgressContext): Promise<FoundTool[]> {
  const { tools, image, downloads } = request;
  const there = await findTools(downloads, tools);
  const missing = tools.filter(({ name }) => !there.some((tool) => tool.name === name));
  if (missing.length === 0) return there;
  const started = performance.now();
  ctx.emit({ kind: "stage", stage: "tools", status: "begin" });
  for (const tool of missing) {
    const named = `${tool.name} ${tool.version}`;
    ctx.emit({ kind: "stage", stage: "tools", status: "progress", message: named });
    try {
      await fetchTool(downloads, tool, ctx.signal);
    } catch (error) {
      if (!(error instanceof BangerError) || error.code === "cancelled") throw error;
      const message = `image ${image} goes without ${named}: ${error.message}; to try again: banger image pull ${image}`;
      ctx.emit({ kind: "warning", message });
    }
  }
  ctx.emit({ kind: "stage", stage: "tools", status: "done", ms: performance.now() - started });
  return findTools(downloads, tools);
}

/** Whether an image that was built without some of its tools would get one of them now. */
export async function canComplete(
  { name: image, lacks = [] }: StoredImage,
  downloads: string,
  ctx: ProgressContext,
): Promise<boolean> {
  const entry = imageCatalog.find(({ name }) => name === image);
  if (entry === undefined) return false;
  const tools = entry.recipe.tools.filter((name) => lacks.includes(name)).map(toolOf);
  return (await gatherTools({ tools, image, downloads }, ctx)).length > 0;
}
