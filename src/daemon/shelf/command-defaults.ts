/** What commands begin with in VMs of a container image, as its publisher said it. */
import { resolve } from "node:path";
import { readImage } from "../../image/image.ts";

export interface CommandDefaults {
  env: Readonly<Record<string, string>>;
  /** Undefined: the agent's own. */
  cwd: string | undefined;
  /** As its publisher wrote it. Undefined: root. */
  user: string | undefined;
}

const none: CommandDefaults = { env: {}, cwd: undefined, user: undefined };

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

export function defaultsOf(oci: {
  env: readonly string[];
  workingDir: string;
  user: string;
}): CommandDefaults {
  const env: Record<string, string> = {};
  for (const line of oci.env) {
    const equals = line.indexOf("=");
    if (equals > 0 && !line.includes("\0")) env[line.slice(0, equals)] = line.slice(equals + 1);
  }
  const { workingDir, user } = oci;
  const cwd = workingDir === "" || workingDir.includes("\0") ? undefined : resolve("/", workingDir);
  // What the image has below /root is below the work disk, which begins empty.
  return { env, cwd: cwd?.startsWith("/root/") ? "/root" : cwd, user: user === "" ? undefined : user };
}

/** The part of a VM that decides where its commands run. */
interface Home {
  workspace: { guestPath: string } | null;
}

interface Asked {
  user?: string | undefined;
  cwd?: string | undefined;
}

/**
 * Who a command runs as, and where; undefined is the agent's own: root, in /root. A workspace's files are root's, so the image's
 * user is for commands outside of one. Root is asked for by nothing, so that a guest without any list of users has it, too.
 */
export function placeOf(
  asked: Asked,
  { workspace }: Home,
  image: Pick<CommandDefaults, "cwd" | "user">,
): Asked {
  const user = asked.user ?? (workspace === null ? image.user : undefined);
  const named = user === undefined || isRoot(user) ? undefined : user;
  const cwd = asked.cwd ?? workspace?.guestPath ?? image.cwd;
  // /root is root's: without a word of where, others begin where docker has them begin.
  return { user: named, cwd: cwd ?? (named === undefined ? undefined : "/") };
}

function isRoot(user: string): boolean {
  return /^(root|0)(:(root|0)?)?$/.test(user);
}
