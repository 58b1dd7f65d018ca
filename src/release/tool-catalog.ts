/** The catalog of programs that go into images ready-made: data in images/tools.json, embedded in the executable. */
import { z } from "zod";
import data from "../../images/tools.json";
import { BangerError } from "../base/base.ts";

const Catalog = z.strictObject({
  version: z.literal(1),
  tools: z.array(
    z.strictObject({
      name: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
      version: z.string().regex(/^\d+(\.\d+)*$/),
      /** With {version} in it. What is there is the program itself. */
      url: z.string().startsWith("https://"),
      sha256: z.string().regex(/^[0-9a-f]{64}$/),
      /** In bytes. */
      size: z.int().positive(),
      /** What the digest rests on. */
      evidence: z.string(),
    }),
  ),
});

export interface Tool {
  name: string;
  version: string;
  url: string;
  sha256: string;
  /** In bytes. */
  size: number;
}

export const toolCatalog: readonly Tool[] = Catalog.parse(data).tools.map((tool) => ({
  ...tool,
  url: tool.url.replaceAll("{version}", tool.version),
}));

/** Throws internal for a name that is not in the catalog: recipes name none. */
export function toolOf(name: string): Tool {
  const found = toolCatalog.find((tool) => tool.name === name);
  if (found === undefined) throw new BangerError("internal", `the catalog has no tool ${name}`);
  return found;
}
