/** The source that a name means. */
import { BangerError } from "../base/base.ts";
import type { Digest } from "../download/download.ts";
import { dockerArchiveSource } from "./disk/docker-archive.ts";
import { layoutArchiveSource, layoutSource } from "./disk/layout.ts";
import { formatImageName, type ImageName } from "./image-name.ts";
import { type RegistryOptions, registrySource } from "./registry/registry-source.ts";
import type { ImageSource } from "./source.ts";

/** The caller closes it. Throws as the sources do; bad_request for a relative path, which means nothing to a daemon. */
export async function openSource(
  name: ImageName,
  options: RegistryOptions,
  signal: AbortSignal,
): Promise<ImageSource> {
  if (name.from === "registry") return registrySource(name.reference, options);
  if (!name.path.startsWith("/")) throw new BangerError("bad_request", `${name.path} is no absolute path`);
  const request = { ...name, reference: formatImageName(name) };
  switch (name.from) {
    case "oci":
      return await layoutSource(request, signal);
    case "oci-archive":
      return await layoutArchiveSource(request, signal);
    case "docker-archive":
      return await dockerArchiveSource(request, signal);
  }
}

/** The digest by which a name pins what it means. */
export function pinnedDigest(name: ImageName): Digest | undefined {
  return name.from === "registry" ? name.reference.digest : undefined;
}
