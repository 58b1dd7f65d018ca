/** How people's names and digests lead to artifacts, and what is said when they lead nowhere. */
import { BangerError, nearest } from "../../base/base.ts";

export type ArtifactKind = "image" | "kernel";

/** The newest stored artifact of a name or the beginning of a digest. Throws not_found, which tells of what is only in `catalog`. */
export function pick<T extends { id: string; name: string; createdAt: string }>(
  kind: ArtifactKind,
  ref: string,
  stored: readonly T[],
  catalog: readonly { name: string }[],
): T {
  const plain = ref.replace(/^sha256:/, "");
  const found = stored.filter(
    (one) => one.name === ref || (/^[0-9a-f]{4,64}$/.test(plain) && one.id.startsWith(`sha256:${plain}`)),
  );
  const newest = found.sort(byAge).at(-1);
  if (newest !== undefined) return newest;
  if (!catalog.some(({ name }) => name === ref)) throw unknownName(kind, ref, [...stored, ...catalog]);
  throw new BangerError("not_found", `${kind} ${ref} is in the catalog, but not on this machine yet`, {
    hint: `get it: banger ${kind} pull ${ref}`,
  });
}

export function byAge(a: { createdAt: string }, b: { createdAt: string }): number {
  return a.createdAt.localeCompare(b.createdAt);
}

/** What to tell of a name that leads nowhere. */
export function unknownName(
  kind: ArtifactKind,
  name: string,
  known: readonly { name: string }[],
): BangerError {
  const meant = nearest(
    name,
    known.map((one) => one.name),
  );
  const look = `see what there is: banger ${kind} list --available`;
  const bring = kind === "image" ? "; or import a container's: banger image pull REGISTRY/NAME:TAG" : "";
  return new BangerError("not_found", `there is no ${kind} ${JSON.stringify(name)}`, {
    hint: meant === undefined ? `${look}${bring}` : `did you mean ${meant}?`,
  });
}
