/** What is in this machine's store, as banger itself says it. */
import { z } from "zod";
import { runTool } from "./tool.ts";

export interface Stored {
  id: string;
  /** Its directory. */
  path: string;
  description: string;
}

const Listed = z.array(z.object({ name: z.string(), present: z.boolean() }));
const Shown = z.object({ id: z.string(), path: z.string(), description: z.string() });

/** What has the name; pulled first when it is only in a catalog. Throws with what banger says. */
export function storedArtifact(word: "image" | "kernel", name: string, banger: string): Stored {
  const listed = Listed.parse(json(runTool(banger, [word, "list", "--available", "--json"])));
  // One that is in no catalog either is told by `show`.
  if (listed.some((one) => one.name === name && !one.present))
    runTool(banger, [word, "pull", name], { shown: true });
  return Shown.parse(json(runTool(banger, [word, "show", name, "--json"], { shown: true })));
}

function json(text: Buffer): unknown {
  return JSON.parse(text.toString());
}
