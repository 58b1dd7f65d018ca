/** The name of an image on this disk, for the daemon, which has no working directory of the user's. */
import { resolve } from "node:path";

export function absoluteImage(image: string, cwd: string): string {
  const [, transport, path] = /^(oci|oci-archive|docker-archive):([^:]+)/.exec(image) ?? [];
  if (transport === undefined || path === undefined) return image;
  return `${transport}:${resolve(cwd, path)}${image.slice(transport.length + 1 + path.length)}`;
}
