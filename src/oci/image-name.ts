/** What `banger image pull` is asked for: an image in a registry, or one on the disk, as skopeo and its kind name them. */
import { BangerError } from "../base/base.ts";
import { formatReference, type ImageReference, parseReference, storeName, suggestName } from "./reference.ts";

export type ImageName =
  | { from: "registry"; reference: ImageReference }
  | {
      from: "oci" | "oci-archive" | "docker-archive";
      /** A directory for oci, else a file. */
      path: string;
      /** Which image of several. */
      image: string | undefined;
    };

/** A path ends at its first colon, because what follows may have one too. Throws bad_request. */
export function parseImageName(text: string): ImageName {
  const match = /^(oci|oci-archive|docker-archive):([^:]+)(?::(.+))?$/.exec(text);
  if (match !== null) {
    const [, from, path = "", image] = match;
    if (from === "oci" || from === "oci-archive" || from === "docker-archive") return { from, path, image };
  }
  if (/^(oci|oci-archive|docker-archive):/.test(text)) {
    throw new BangerError("bad_request", `${JSON.stringify(text.slice(0, 300))} names no file`, {
      hint: "write it like oci:DIRECTORY:TAG, oci-archive:FILE or docker-archive:FILE",
    });
  }
  return { from: "registry", reference: parseReference(text.replace(/^docker:\/\//, "")) };
}

/** In full, as it is recorded. */
export function formatImageName(name: ImageName): string {
  if (name.from === "registry") return formatReference(name.reference);
  return `${name.from}:${name.path}${name.image === undefined ? "" : `:${name.image}`}`;
}

/** What it is called in the store unless the user says otherwise. */
export function nameInStore(name: ImageName): string {
  if (name.from === "registry") return suggestName(name.reference);
  const last = name.path.replace(/\/+$/, "").split("/").at(-1) ?? "";
  const plain = last.replace(/\.(tar|oci|docker)$/i, "");
  if (name.image === undefined) return storeName(plain);
  return name.from === "docker-archive"
    ? suggestName(parseReference(name.image))
    : storeName(`${plain}-${name.image}`);
}
