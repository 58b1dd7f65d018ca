/** What commands begin with in VMs of a container image, as its publisher said it. */
import { resolve } from "node:path";
import { readImage } from "../../image/image.ts";

export interface CommandDefaults {
  env: Readonly<Record<string, string>>;
  /** Undefined: the agent's own. */
  cwd: string | undefined;
}

const none: CommandDefaults = { env: {}, cwd: undefined };

/** By an image's id; none for banger's own images, and for one that has gone while VMs of it run on. */
export function commandDefaults(imagesDir: string): (imageId: string) => Promise<CommandDefaults> {
  const known = new Map<string, CommandDefaults>();
  return async (imageId) => {
    const found = known.get(imageId);
    if (found !== undefined) return found;
    const oci = await readImage(imagesDir, imageId).then(
      (image) => image.oci,
      () => undefined,
    );
    const said = oci === undefined ? none : defaultsOf(oci);
    known.set(imageId, said);
    return said;
  };
}

export function defaultsOf(oci: { env: readonly string[]; workingDir: string }): CommandDefaults {
  const env: Record<string, string> = {};
  for (const line of oci.env) {
    const equals = line.indexOf("=");
    if (equals > 0 && !line.includes("\0")) env[line.slice(0, equals)] = line.slice(equals + 1);
  }
  const { workingDir } = oci;
  const cwd = workingDir === "" || workingDir.includes("\0") ? undefined : resolve("/", workingDir);
  // What the image has below /root is below the work disk, which begins empty.
  return { env, cwd: cwd?.startsWith("/root/") ? undefined : cwd };
}
