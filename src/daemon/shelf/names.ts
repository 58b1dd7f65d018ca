/** How people's names and digests lead to artifacts, and what is said when they lead nowhere. */
import { BangerError, nearest } from "../../base/base.ts";
import { imageCatalog } from "../../catalog/catalog.ts";
import type { State } from "../../state/state.ts";
import { byAge, findImage, type Stores } from "./rows.ts";

export type ArtifactKind = "image" | "kernel";

/**
 * The newest stored artifact of a name, else the one of the beginning of a digest: what has the name is meant, whatever
 * digests begin like it. Throws ambiguous for the beginning of several; not_found, which tells of what is only in `catalog`.
 */
export function pick<T extends { id: string; name: string; createdAt: string }>(
  kind: ArtifactKind,
  ref: string,
  stored: readonly T[],
  catalog: readonly { name: string }[],
): T {
  const named = stored.filter((one) => one.name === ref);
  const newest = named.sort(byAge).at(-1);
  if (newest !== undefined) return newest;
  const plain = ref.replace(/^sha256:/, "");
  const begun = stored.filter(({ id }) => /^[0-9a-f]{4,64}$/.test(plain) && id.startsWith(`sha256:${plain}`));
  if (begun.length > 1) {
    const all = begun.map(({ name, id }) => `${name} (${id.slice(7, 19)})`).join(", ");
    throw new BangerError("ambiguous", `${ref} is the beginning of several ${kind}s' ids: ${all}`, {
      hint: "give more of the id, or the name",
    });
  }
  const [only] = begun;
  if (only !== undefined) return only;
  if (!catalog.some(({ name }) => name === ref)) throw unknownName(kind, ref, [...stored, ...catalog]);
  throw new BangerError("not_found", `${kind} ${ref} is in the catalog, but not on this machine yet`, {
    hint: `get it: banger ${kind} pull ${ref}`,
  });
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

export function isCatalogName(name: string): boolean {
  return imageCatalog.some((entry) => entry.name === name);
}

/** Throws already_exists when an image has the name, or banger's own has it. */
export async function refuseTaken(state: State, stores: Stores, name: string): Promise<void> {
  if (isCatalogName(name)) {
    throw new BangerError("already_exists", `${name} is the name of an image of banger's own`, {
      hint: "give yours another name",
    });
  }
  if ((await findImage(state, stores, name)) === undefined) return;
  throw new BangerError("already_exists", `there is an image ${name} already`, {
    hint: `give this one another name, or remove that one: banger image delete ${name}`,
  });
}
