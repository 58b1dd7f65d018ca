/** Catalogs as files: one for others, or banger's own. What is written is what banger reads, or nothing is written. */
import { readFile, stat } from "node:fs/promises";
import { z } from "zod";
import { BangerError } from "../../src/base/base.ts";
import { readCatalog } from "../../src/catalog/document.ts";
import { type BundleEntry, OwnImage, OwnKernel } from "../../src/catalog/entries.ts";
import { atomicWrite } from "../../src/sys/sys.ts";
import type { Signer } from "./sign.ts";

export interface Publication {
  entries: "images" | "kernels";
  /** Without description and bundle. */
  entry: { name: string } & Record<string, string>;
  /** Undefined: as it is in the catalog. */
  description: string | undefined;
  /** Where there is none yet. */
  firstDescription: string;
  /** Of the recipe that it was built by; undefined of a kernel. */
  revision: number | undefined;
}

export interface CatalogFile {
  path: string;
  /** Whether it is banger's own: it has recipes, and its addresses are whole. */
  own: boolean;
  /** Whether nobody has it yet. */
  isNew: boolean;
  /** Names of kernels in it. */
  kernels: string[];
  /** Throws, before anything is done, for what could not be written in the end. */
  check(publication: Publication): void;
  /** Writes it, with its signature where there is a signer. */
  write(publication: Publication, bundle: BundleEntry): Promise<void>;
}

/** Throws corrupt for what is no catalog, precondition for a signed one without a signer. */
export async function openCatalog(path: string, signer: Signer | undefined): Promise<CatalogFile> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
  const own = text === undefined ? undefined : ownCatalog(text);
  if (own !== undefined) return { ...own, path, own: true, isNew: false, write: writeOwn(path, own) };
  const document =
    text === undefined
      ? { version: 1 as const, serial: 0, images: [], kernels: [] }
      : readCatalog({ bytes: Buffer.from(text), signature: undefined }, undefined, path);
  const signature = `${path}.sig`;
  if (signer === undefined && (await stat(signature).catch(() => undefined)) !== undefined) {
    throw new BangerError(
      "precondition",
      `${path} is signed, and would no longer be what ${signature} is of`,
      {
        hint: "sign it again: --sign-key KEY",
      },
    );
  }
  return {
    ...{ path, own: false, isNew: text === undefined, kernels: document.kernels.map(({ name }) => name) },
    check: () => {},
    write: async ({ entries, entry, description, firstDescription }, bundle) => {
      const before = document[entries].find(({ name }) => name === entry.name);
      const { name, ...more } = entry;
      const made = {
        name,
        description: description ?? before?.description ?? firstDescription,
        ...more,
        bundle,
      };
      const rest: { name: string }[] = document[entries].filter((one) => one.name !== name);
      const sorted = [...rest, made].sort((a, b) => (a.name < b.name ? -1 : 1));
      const next = { ...document, serial: document.serial + 1, [entries]: sorted };
      const bytes = Buffer.from(`${JSON.stringify(next, null, 2)}\n`);
      readCatalog({ bytes, signature: undefined }, undefined, path);
      // First what can fail.
      const line = signer?.sign(bytes);
      if (line !== undefined) await atomicWrite(signature, line, { mode: 0o644 });
      await atomicWrite(path, bytes, { mode: 0o644 });
    },
  };
}

const version = z.literal(1);
const Own = z.union([
  z.strictObject({ version, images: z.array(OwnImage) }),
  z.strictObject({ version, kernels: z.array(OwnKernel) }),
]);
type Own = z.infer<typeof Own>;

/** Undefined for what is none of banger's own. */
function ownCatalog(text: string): (Pick<CatalogFile, "kernels" | "check"> & { document: Own }) | undefined {
  const found = Own.safeParse(parseJson(text));
  if (!found.success) return undefined;
  const document = found.data;
  return {
    document,
    kernels: "kernels" in document ? document.kernels.map(({ name }) => name) : [],
    check: ({ entries, entry: { name }, revision }) => {
      const known =
        entries === "images"
          ? "images" in document && document.images.find((one) => one.name === name)
          : "kernels" in document && document.kernels.find((one) => one.name === name);
      if (known === false || known === undefined) {
        throw new BangerError(
          "not_found",
          `banger's own catalog has no recipe for ${name} among its ${entries}`,
          {
            hint: "write its recipe first; or say a catalog for others, which needs none: --catalog FILE",
          },
        );
      }
      if ("revision" in known.recipe && known.recipe.revision !== revision) {
        throw new BangerError(
          "precondition",
          `image ${name} was built by revision ${revision} of its recipe, and the catalog has ${known.recipe.revision}`,
          { hint: `build it anew: banger image pull ${name}` },
        );
      }
    },
  };
}

/** Nothing but its bundle changes. */
function writeOwn(path: string, { document }: { document: Own }): CatalogFile["write"] {
  return async ({ entry: { name } }, bundle) => {
    const renewed = <T extends { name: string }>(list: readonly T[]) =>
      list.map((one) => (one.name === name ? { ...one, bundle } : one));
    const next =
      "images" in document
        ? { version: 1, images: renewed(document.images) }
        : { version: 1, kernels: renewed(document.kernels) };
    await atomicWrite(path, `${JSON.stringify(Own.parse(next), null, 2)}\n`, { mode: 0o644 });
  };
}

/** Undefined for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
