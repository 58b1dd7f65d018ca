/** An image layout (the image specification's "image-layout"): oci-layout, index.json, blobs/ALGORITHM/HEX. */
import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { BangerError } from "../../base/base.ts";
import { type BlobId, type Digest, digestParts } from "../../download/download.ts";
import { checked, type Descriptor, parseDocument, parseJson } from "../documents.ts";
import type { FetchedDocument, ImageSource } from "../source.ts";
import { openArchive } from "./archive.ts";
import { diskSource, type FilePart, readPart } from "./disk-source.ts";

const indexType = "application/vnd.oci.image.index.v1+json";
/** By which annotation an entry of index.json has its tag. */
const nameAnnotation = "org.opencontainers.image.ref.name";
const Marker = z.object({ imageLayoutVersion: z.literal("1.0.0") });

/** Opens a file of a layout by its path in it. */
type OpenFile = (path: string) => Promise<FilePart | undefined>;

export interface LayoutRequest {
  path: string;
  image: string | undefined;
  reference: string;
}

/** The caller closes it. Throws not_found, corrupt, precondition when there are several images and none was named. */
export async function layoutSource(request: LayoutRequest, signal: AbortSignal): Promise<ImageSource> {
  const openFile: OpenFile = async (path) => {
    const file = await open(join(request.path, path), constants.O_RDONLY | constants.O_NONBLOCK).catch(
      (error: unknown) => {
        if (error instanceof Error && "code" in error && ["ENOENT", "ENOTDIR"].includes(String(error.code)))
          return undefined;
        throw error;
      },
    );
    if (file === undefined) return undefined;
    const found = await file.stat();
    if (!found.isFile()) {
      await file.close();
      throw new BangerError("corrupt", `${join(request.path, path)} is no regular file`);
    }
    const { size } = found;
    return { file, offset: 0, sizeBytes: size, done: () => file.close() };
  };
  return await sourceOf(request, openFile, async () => {}, signal);
}

/** The same in a tar. */
export async function layoutArchiveSource(request: LayoutRequest, signal: AbortSignal): Promise<ImageSource> {
  const { file, member } = await openArchive(request.path, signal);
  try {
    const openFile: OpenFile = async (path) => {
      const found = member(path);
      return found === undefined ? undefined : { file, ...found, done: async () => {} };
    };
    return await sourceOf(request, openFile, () => file.close(), signal);
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function sourceOf(
  { path, image, reference }: LayoutRequest,
  openFile: OpenFile,
  close: () => Promise<void>,
  signal: AbortSignal,
): Promise<ImageSource> {
  const read = async (name: string): Promise<Buffer> => {
    const part = await openFile(name);
    if (part !== undefined) return await readPart(part, path, signal);
    throw new BangerError("not_found", `${path} is no image layout: it has no ${name}`);
  };
  const find = ({ digest }: BlobId) => openFile(blobPath(digest));
  checked(Marker, parseJson(await read("oci-layout"), `oci-layout of ${path}`), `oci-layout of ${path}`);
  const index = await read("index.json");
  const parsed = parseDocument(index, indexType, `index.json of ${path}`);
  const listed = parsed.kind === "index" ? parsed.index.manifests : [];
  const chosen = choose(listed, image, path);
  let root: FetchedDocument = { bytes: index, mediaType: indexType };
  if (chosen !== undefined) root = { bytes: narrowed(chosen), mediaType: indexType };
  return diskSource({ reference, root, find, close });
}

/** Undefined: all of them, for the platform to decide. */
function choose(
  listed: readonly Descriptor[],
  image: string | undefined,
  path: string,
): Descriptor[] | undefined {
  const nameOf = ({ annotations }: Descriptor) => annotations?.[nameAnnotation];
  const names = [...new Set(listed.flatMap((descriptor) => nameOf(descriptor) ?? []))];
  const there = names.length === 0 ? "its images have no names" : `it has ${names.slice(0, 12).join(", ")}`;
  if (image === undefined) {
    if (names.length <= 1) return undefined;
    throw new BangerError("precondition", `${path} has several images`, { hint: `say which: ${there}` });
  }
  const found = listed.filter((descriptor) => nameOf(descriptor) === image);
  if (found.length > 0) return found;
  throw new BangerError("not_found", `${path} has no image ${JSON.stringify(image)}`, { hint: there });
}

function narrowed(manifests: readonly Descriptor[]): Buffer {
  return Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests }));
}

function blobPath(digest: Digest): string {
  const { algorithm, hex } = digestParts(digest);
  return `blobs/${algorithm}/${hex}`;
}
