/** A small archive. Only for tests. */
import { Readable } from "node:stream";
import { pack } from "tar-stream";

export function tarOf(files: Record<string, string>): Readable {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, content);
  tar.finalize();
  return Readable.from(tar);
}
