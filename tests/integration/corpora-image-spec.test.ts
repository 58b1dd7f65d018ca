/**
 * The documents of the OCI image specification's own schema tests, good and bad ones, and the examples of its chapters, as
 * the specification's Go module carries them.
 */
import { beforeAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { layoutSource } from "../../src/oci/disk/layout.ts";
import { checked, Descriptor, parseConfig, parseDocument, parseJson } from "../../src/oci/documents.ts";
import { failure } from "../../src/oci/testing/failures.ts";
import { goModule } from "./corpora-fixture.ts";

const imageSpec = {
  ...{ path: "github.com/opencontainers/image-spec", version: "v1.1.1" },
  sum: "h1:y0fUlFfIZhPF1W537XOLg0/fcx6zcHCJwooC2xJA040=",
};

interface Document {
  /** File, and which of those in it. */
  name: string;
  kind: string;
  text: string;
  good: boolean;
}

/** Where what is said there is not what banger does, and why. */
const otherwise: Record<string, { accepted: boolean; because: string }> = {
  "config_test.go 9": {
    accepted: true,
    because: "a variable without = means nothing, and is left out when a command is run",
  },
  "manifest_test.go 5": { accepted: true, because: "an image without layers is an empty one" },
  "manifest_test.go 8": { accepted: true, because: "whom a manifest is about is not read" },
  "imageindex_test.go 11": { accepted: true, because: "whom an index is about is not read" },
  "descriptor_test.go 16": {
    accepted: true,
    because: "content comes from where the image does: urls are not read",
  },
  "descriptor_test.go 18": { accepted: true, because: "what kind of an artifact it is is not read" },
  "descriptor_test.go 28": { accepted: true, because: "content within a descriptor is not read" },
  ...Object.fromEntries(
    ["manifest_test.go 6", ...[20, 21, 22, 23, 24, 26, 27].map((n) => `descriptor_test.go ${n}`)].map(
      (name) => [name, { accepted: false, because: "a digest that cannot be checked names nothing" }],
    ),
  ),
};

const documents: Document[] = [];
beforeAll(() => {
  const module = goModule(imageSpec);
  const schemaTests = [
    "config",
    "manifest",
    "descriptor",
    "imageindex",
    "imagelayout",
    "backwards_compatibility",
  ];
  for (const file of schemaTests.map((name) => `${name}_test.go`)) {
    const source = readFileSync(join(module, "schema", file), "utf8");
    // A document, and whether it fails, which Go takes for false where nothing says so.
    const found = source.matchAll(/(\w+):\s*`([^`]*)`,(?:\s*\/\/[^\n]*)*\s*(?:fail:\s*(true|false))?/g);
    for (const [n, [, kind = "", text = "", fails]] of [...found].entries())
      documents.push({ name: `${file} ${n}`, kind: kind.toLowerCase(), text, good: fails !== "true" });
  }
  const kinds: Record<string, string> = {
    "application/vnd.oci.image.config.v1+json": "config",
    "application/vnd.oci.descriptor.v1+json": "descriptor",
    "application/vnd.oci.image.index.v1+json": "imageindex",
    "application/vnd.oci.layout.header.v1+json": "imagelayout",
    "application/vnd.oci.image.manifest.v1+json": "manifest",
  };
  for (const file of ["config.md", "descriptor.md", "image-index.md", "image-layout.md", "manifest.md"]) {
    const chapter = readFileSync(join(module, file), "utf8");
    const found = chapter.matchAll(/```json,title=\S+?&mediatype=(\S+)\n([\s\S]*?)```/g);
    for (const [n, [, type = "", text = ""]] of [...found].entries())
      documents.push({
        name: `${file} ${n}`,
        kind: kinds[decodeURIComponent(type)] ?? type,
        text,
        good: true,
      });
  }
});

async function read({ kind, text }: Document): Promise<void> {
  const bytes = Buffer.from(text);
  if (kind === "config") parseConfig(bytes, "it");
  else if (kind === "descriptor") checked(Descriptor, parseJson(bytes, "it"), "it");
  else if (kind === "manifest" || kind === "imageindex") {
    const { kind: found } = parseDocument(bytes, "", "it");
    expect(found).toBe(kind === "manifest" ? "manifest" : "index");
  } else if (kind === "imagelayout") await openLayout(bytes);
  else throw new Error(`nobody reads a ${kind}`);
}

async function openLayout(marker: Buffer): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), "banger-layout-"));
  try {
    writeFileSync(join(path, "oci-layout"), marker);
    writeFileSync(join(path, "index.json"), JSON.stringify({ schemaVersion: 2, manifests: [] }));
    const source = await layoutSource(
      { path, image: undefined, reference: "it" },
      new AbortController().signal,
    );
    await source.close();
  } finally {
    rmSync(path, { recursive: true });
  }
}

test("all of them are found", () => {
  const of = (good: boolean) => documents.filter((document) => document.good === good).length;
  expect([of(true), of(false)]).toEqual([43, 39]);
  for (const name of Object.keys(otherwise))
    expect(documents.map((document) => document.name)).toContain(name);
});

test("good ones are read, and bad ones refused, but for those of which a table says why", async () => {
  for (const document of documents) {
    const { name, good, kind } = document;
    const error = await failure(read(document));
    const accepted = otherwise[name]?.accepted ?? good;
    if (accepted) expect(error, `${name}: ${kind}`).toBeUndefined();
    else expect(error, `${name}: ${kind}`).toMatchObject({ code: "corrupt" });
    if (name in otherwise) expect(accepted, name).not.toBe(good);
  }
});
