/**
 * The documents of an image: index, manifest, configuration; by the OCI image specification, and by Docker's "schema 2",
 * which differs from it in media types alone.
 *
 * What a document is, is said three times: by who hands it out (Content-Type, or the descriptor), by its own mediaType,
 * and by its shape. All that is said must agree: bytes that are an index to one reader and a manifest to another have
 * one digest (CVE-2021-41190).
 */
import { z } from "zod";
import { BangerError } from "../base/base.ts";
import { Digest } from "../download/download.ts";

const indexTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
]);
const manifestTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.v2+json",
]);
/** What is asked of a registry: everything that can be read, so that it does not translate. */
export const acceptedTypes: readonly string[] = [...indexTypes, ...manifestTypes];

/** What servers say that serve files. */
const unspecific: ReadonlySet<string> = new Set([
  "",
  "application/json",
  "application/octet-stream",
  "text/plain",
]);

const configTypes: ReadonlySet<string> = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);
/** How a layer is packed is seen by its first bytes, as everywhere in the ecosystem; its type only says that it is one. */
const layerTypes =
  /^application\/vnd\.(?:oci\.image\.layer\.v1\.tar(?:\+(?:gzip|zstd))?|docker\.image\.rootfs\.diff\.tar(?:\.(?:gzip|zstd))?)$/;
/** Layers that their publisher must not hand out, with addresses of where they are instead. */
const foreignTypes =
  /^application\/vnd\.(?:oci\.image\.layer\.nondistributable\.|docker\.image\.rootfs\.foreign\.)/;

const Platform = z.object({
  architecture: z.string(),
  os: z.string(),
  variant: z.string().optional(),
});
export type Platform = z.infer<typeof Platform>;

/** As the image specification's schema has it (defs-descriptor.json). */
const mediaType = /^[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}\/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}$/;

/** `urls` are not read: content comes from where the image does, and from nowhere else. */
export const Descriptor = z.object({
  mediaType: z.string().regex(mediaType, "is no media type"),
  digest: Digest,
  size: z.int().nonnegative(),
  platform: Platform.optional(),
  annotations: z.record(z.string(), z.string()).optional(),
});
export type Descriptor = z.infer<typeof Descriptor>;

const ImageIndex = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  manifests: z.array(Descriptor).max(1000),
  layers: z.undefined().optional(),
  config: z.undefined().optional(),
});
export type ImageIndex = z.infer<typeof ImageIndex>;

const Manifest = z.object({
  schemaVersion: z.literal(2),
  mediaType: z.string().optional(),
  config: Descriptor,
  layers: z.array(Descriptor),
  manifests: z.undefined().optional(),
});
export type Manifest = z.infer<typeof Manifest>;

const strings = z.array(z.string()).nullish();

/** Of a configuration, what there is a use for. Go writes null for what is empty. */
export const ImageConfig = z.object({
  ...Platform.shape,
  config: z
    .object({
      Env: strings,
      Entrypoint: strings,
      Cmd: strings,
      WorkingDir: z.string().nullish(),
      User: z.string().nullish(),
    })
    .nullish(),
  rootfs: z.object({ type: z.literal("layers"), diff_ids: z.array(Digest).nullable() }),
});
export type ImageConfig = z.infer<typeof ImageConfig>;

export type ImageDocument = { kind: "index"; index: ImageIndex } | { kind: "manifest"; manifest: Manifest };

/** `mediaType` is what handed it out said; `what` names it to people. Throws corrupt, or precondition for what is too old. */
export function parseDocument(bytes: Uint8Array, mediaType: string, what: string): ImageDocument {
  const said = mediaType.split(";")[0]?.trim().toLowerCase() ?? "";
  const json = parseJson(bytes, what);
  const Shape = z.object({ schemaVersion: z.number().optional(), mediaType: z.string().optional() });
  const shape = checked(Shape, json, what);
  if (shape.schemaVersion === 1 || /docker\.distribution\.manifest\.v1\+/.test(said)) {
    throw new BangerError(
      "precondition",
      `${what} is in Docker's manifest schema 1, which nobody writes since 2017`,
      {
        hint: "pull it with an old docker and push it again, or take a newer tag",
      },
    );
  }
  const own = shape.mediaType ?? said;
  if (own !== said && !unspecific.has(said)) {
    throw new BangerError(
      "corrupt",
      `${what} was handed out as ${show(said)}, but says that it is ${show(own)}`,
    );
  }
  if (indexTypes.has(own)) return { kind: "index", index: checked(ImageIndex, json, what) };
  if (manifestTypes.has(own)) return { kind: "manifest", manifest: checked(Manifest, json, what) };
  throw new BangerError("corrupt", `${what} is no image: its media type is ${show(own)}`);
}

export function parseConfig(bytes: Uint8Array, what: string): ImageConfig {
  return checked(ImageConfig, parseJson(bytes, what), what);
}

/** What a manifest names must be an image's: a configuration, and layers that this registry hands out. Throws precondition. */
export function checkMediaTypes({ config, layers }: Manifest, what: string): void {
  if (!configTypes.has(config.mediaType)) {
    throw new BangerError(
      "precondition",
      `${what} is no container image: its configuration is ${show(config.mediaType)}`,
    );
  }
  for (const { mediaType } of layers) {
    if (foreignTypes.test(mediaType)) {
      throw new BangerError(
        "precondition",
        `${what} has a layer that its registry may not hand out (${mediaType})`,
        {
          hint: "such layers are Windows'; take an image for linux/amd64 that is whole",
        },
      );
    }
    if (!layerTypes.test(mediaType)) {
      throw new BangerError(
        "precondition",
        `${what} has a layer of a kind that banger does not know: ${show(mediaType)}`,
      );
    }
  }
}

export function parseJson(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new BangerError("corrupt", `${what} is not JSON`, { cause: error });
  }
}

export function checked<T>(schema: z.ZodType<T>, json: unknown, what: string): T {
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue?.path.map(String).join(".") ?? "";
  throw new BangerError(
    "corrupt",
    `${what} makes no sense: ${where === "" ? "" : `${where}: `}${issue?.message}`,
  );
}

function show(mediaType: string): string {
  return mediaType === "" ? "nothing" : JSON.stringify(mediaType.slice(0, 100));
}
