/**
 * What `docker save` writes: a tar with manifest.json, which lists images, each with a configuration and layers by their
 * paths in the tar. There is no manifest of the kind that registries have; the one made of it here is what a push would make.
 */
import { z } from "zod";
import { BangerError } from "../../base/base.ts";
import type { Digest } from "../../download/download.ts";
import { checked, type Descriptor, parseJson } from "../documents.ts";
import { formatReference, parseReference } from "../reference.ts";
import type { ImageSource } from "../source.ts";
import { type Archive, type Member, openArchive } from "./archive.ts";
import { diskSource, readPart } from "./disk-source.ts";
import type { LayoutRequest } from "./layout.ts";

const Listed = z.object({
  Config: z.string(),
  RepoTags: z.array(z.string()).nullish(),
  Layers: z.array(z.string()),
});
type Listed = z.infer<typeof Listed>;

const manifestType = "application/vnd.docker.distribution.manifest.v2+json";
const configType = "application/vnd.docker.container.image.v1+json";
const layerType = "application/vnd.docker.image.rootfs.diff.tar";

/** The caller closes it. Throws not_found, corrupt, precondition when there are several images and none was named. */
export async function dockerArchiveSource(request: LayoutRequest, signal: AbortSignal): Promise<ImageSource> {
  const archive = await openArchive(request.path, signal);
  try {
    const listed = choose(await readList(archive, request.path, signal), request);
    const members = new Map<Digest, Member>();
    const describe = (path: string, mediaType: string): Descriptor => {
      const found = archive.member(path);
      if (found === undefined) {
        throw new BangerError(
          "corrupt",
          `${request.path} lacks ${JSON.stringify(path.slice(0, 200))}, which its manifest.json names`,
        );
      }
      members.set(found.digest, found);
      return { mediaType, digest: found.digest, size: found.sizeBytes };
    };
    const manifest = {
      schemaVersion: 2,
      mediaType: manifestType,
      config: describe(listed.Config, configType),
      layers: listed.Layers.map((path) => describe(path, layerType)),
    };
    return diskSource({
      reference: request.reference,
      root: { bytes: Buffer.from(JSON.stringify(manifest)), mediaType: manifestType },
      find: async ({ digest }) => {
        const found = members.get(digest);
        return found === undefined ? undefined : { file: archive.file, ...found, done: async () => {} };
      },
      close: () => archive.file.close(),
    });
  } catch (error) {
    await archive.file.close();
    throw error;
  }
}

async function readList({ file, member }: Archive, path: string, signal: AbortSignal): Promise<Listed[]> {
  const found = member("manifest.json");
  if (found === undefined)
    throw new BangerError("corrupt", `${path} is nothing that docker save wrote: it has no manifest.json`);
  const what = `manifest.json of ${path}`;
  const bytes = await readPart({ file, ...found, done: async () => {} }, path, signal);
  return checked(z.array(Listed).min(1), parseJson(bytes, what), what);
}

function choose(listed: readonly Listed[], { path, image }: LayoutRequest): Listed {
  const tags = listed.flatMap(({ RepoTags }) => RepoTags ?? []);
  const there = tags.length === 0 ? "its images have no names" : `it has ${tags.slice(0, 12).join(", ")}`;
  const [only] = listed;
  if (image === undefined) {
    if (only !== undefined && listed.length === 1) return only;
    throw new BangerError("precondition", `${path} has several images`, { hint: `say which: ${there}` });
  }
  const wanted = formatReference(parseReference(image));
  const found = listed.find(({ RepoTags }) =>
    RepoTags?.some((tag) => formatReference(parseReference(tag)) === wanted),
  );
  if (found !== undefined) return found;
  throw new BangerError("not_found", `${path} has no image ${JSON.stringify(image)}`, { hint: there });
}
