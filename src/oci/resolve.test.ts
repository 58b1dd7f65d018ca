import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Blob,
  type BuiltImage,
  blob,
  buildImage,
  descriptor,
  indexType,
  json,
  manifestType,
} from "./testing/image-builder.ts";
import { fetchForTest, type PullOptions } from "./testing/pull.ts";
import { type TestRegistry, testRegistry } from "./testing/registry.ts";
import { tar } from "./testing/tar-writer.ts";

const layer = tar([{ path: "a" }]);
const image = buildImage([layer]);

let dir: string;
let registry: TestRegistry;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "banger-oci-"));
  registry = await testRegistry();
});
afterEach(() => {
  registry.close();
  rmSync(dir, { recursive: true });
});

/** Puts an image into the registry with `manifest` in the place of its own, and fetches it. */
async function fetched(
  built: BuiltImage,
  root: Blob = built.manifest,
  more: readonly Blob[] = [],
  options: Partial<PullOptions> = {},
) {
  registry.put({
    ...built,
    blobs: new Map([...built.blobs, ...more.map(({ digest, bytes }) => [digest, bytes] as const)]),
  });
  for (const each of more) registry.put({ ...built, manifest: each });
  registry.put({ ...built, manifest: root });
  return await fetchForTest(`${registry.host}/image:t`, { cache: join(dir, "cache"), ...options });
}

async function refused(promise: Promise<unknown>, code: string, message: RegExp): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code, message: expect.stringMatching(message) });
}

function index(entries: readonly object[], more: object = {}): Blob {
  return blob(indexType, json({ schemaVersion: 2, mediaType: indexType, manifests: entries, ...more }));
}

const amd64 = { os: "linux", architecture: "amd64" };
const on = (platform: object, of: Blob = image.manifest) => ({ ...descriptor(of), platform });

describe("an image", () => {
  test("is what its manifest and configuration say", async () => {
    const found = await fetched(image);
    expect(found.digest as string).toBe(image.manifest.digest);
    expect(found.config.config).toMatchObject({ Env: ["A=b"], Cmd: ["/bin/sh"] });
    expect(found.layers).toHaveLength(1);
  });

  test("may be in Docker's media types", async () => {
    const types: Record<string, string> = {
      "application/vnd.oci.image.config.v1+json": "application/vnd.docker.container.image.v1+json",
      "application/vnd.oci.image.layer.v1.tar+gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
      [manifestType]: "application/vnd.docker.distribution.manifest.v2+json",
    };
    const text = Object.entries(types).reduce(
      (all, [oci, docker]) => all.replaceAll(oci, docker),
      image.manifest.bytes.toString(),
    );
    const docker = blob(types[manifestType] ?? "", Buffer.from(text));
    const list = index([on(amd64, docker)]);
    const listType = "application/vnd.docker.distribution.manifest.list.v2+json";
    expect((await fetched(image, docker)).digest as string).toBe(docker.digest);
    const dockerList = blob(listType, Buffer.from(list.bytes.toString().replaceAll(indexType, listType)));
    expect((await fetched(image, dockerList, [docker])).digest as string).toBe(docker.digest);
  });

  test("may leave its own media type out, or be handed out as plain JSON", async () => {
    const silent = blob(
      manifestType,
      json({ ...JSON.parse(image.manifest.bytes.toString()), mediaType: undefined }),
    );
    await fetched(image, silent);
    await fetched(image, { ...image.manifest, mediaType: "application/json; charset=utf-8" });
  });

  test("without layers is an empty one", async () => {
    expect((await fetched(buildImage([]))).layers).toEqual([]);
  });
});

describe("of an index, the image for a guest is taken:", () => {
  const other = buildImage([tar([{ path: "other" }])]);
  const arm = on({ os: "linux", architecture: "arm64", variant: "v8" }, other.manifest);
  const attestation = on({ os: "unknown", architecture: "unknown" }, other.manifest);

  test.each([
    ["among others", [arm, attestation, on(amd64)]],
    [
      "that names the first of amd64's levels",
      [on({ ...amd64, variant: "v3" }, other.manifest), on({ ...amd64, variant: "v1" })],
    ],
    [
      "that names its second, when the first is not there",
      [on({ ...amd64, variant: "v3" }, other.manifest), on({ ...amd64, variant: "v2" })],
    ],
    ["the first of several", [on(amd64), on(amd64, other.manifest)]],
    ["that says nothing, when none says that it is", [arm, descriptor(image.manifest)]],
  ])("%s", async (_, entries) => {
    const found = await fetched(image, index(entries), [image.manifest, other.manifest]);
    expect(found.digest as string).toBe(image.manifest.digest);
  });

  test("in an index within it", async () => {
    const inner = index([on(amd64)]);
    const found = await fetched(image, index([on(amd64, inner)]), [image.manifest, inner]);
    expect(found.digest as string).toBe(image.manifest.digest);
  });

  test.each([
    ["other platforms", [arm], /for linux\/arm64\/v8/],
    ["a much newer amd64", [on({ ...amd64, variant: "v3" })], /for linux\/amd64\/v3/],
    ["another system", [on({ os: "windows", architecture: "amd64" })], /for windows\/amd64/],
    ["attestations", [attestation], /for nothing/],
    ["nothing", [], /for nothing/],
  ])("and one that has only %s is refused", async (_, entries, message) => {
    await refused(fetched(image, index(entries)), "precondition", message);
  });

  test("and what it calls linux/amd64 must be", async () => {
    const lying = buildImage([layer], "gzip", { config: { architecture: "arm64" } });
    await refused(
      fetched(lying, index([on(amd64, lying.manifest)]), [lying.manifest]),
      "precondition",
      /for linux\/arm64/,
    );
    await refused(
      fetched(buildImage([layer], "gzip", { config: { os: "windows" } })),
      "precondition",
      /for windows\/amd64/,
    );
  });

  test("and indexes that go deeper than anybody nests them are refused", async () => {
    const nested: Blob[] = [image.manifest];
    for (let depth = 0; depth < 5; depth += 1) nested.push(index([on(amd64, nested.at(-1))]));
    await refused(fetched(image, nested.at(-1), nested), "corrupt", /more than 3 deep/);
  });

  test("and one that leads to itself is refused, which only a wrong digest can bring about", async () => {
    const digest = `sha256:${"0".repeat(64)}`;
    const circle = index([{ mediaType: indexType, digest, size: 1, platform: amd64 }]);
    await refused(
      fetched(image, circle, [{ ...circle, digest }]),
      "corrupt",
      /bytes, but its index says|another document/,
    );
  });
});

describe("refused:", () => {
  const manifest = (change: object) => buildImage([layer], "gzip", { manifest: change });
  const withLayer = (change: object) =>
    manifest({ layers: [{ ...descriptor(image.layers[0] as Blob), ...change }] });
  const configType = "application/vnd.oci.image.config.v1+json";
  const cases: [string, () => BuiltImage, string, RegExp][] = [
    ["a manifest that is an index too", () => manifest({ manifests: [] }), "corrupt", /manifests/],
    [
      "one that calls itself something else than it was handed out as",
      () => manifest({ mediaType: indexType }),
      "corrupt",
      /but says that it is/,
    ],
    ["one of another version", () => manifest({ schemaVersion: 3 }), "corrupt", /schemaVersion/],
    ["one of schema 1", () => manifest({ schemaVersion: 1 }), "precondition", /schema 1/],
    ["one without layers", () => manifest({ layers: undefined }), "corrupt", /layers/],
    [
      "one with a digest that is a path",
      () => withLayer({ digest: "sha256:../../../../etc/passwd" }),
      "corrupt",
      /sha256 or sha512/,
    ],
    [
      "one with a digest of another algorithm",
      () => withLayer({ digest: `md5:${"0".repeat(32)}` }),
      "corrupt",
      /sha256 or sha512/,
    ],
    ["one with a size below nothing", () => withLayer({ size: -1 }), "corrupt", /size/],
    ["one with a size that is no number", () => withLayer({ size: 1e300 }), "corrupt", /size/],
    [
      "one with layers that may not be handed out",
      () =>
        withLayer({
          mediaType: "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
          urls: ["http://x/"],
        }),
      "precondition",
      /may not hand out/,
    ],
    [
      "one with layers that are no layers",
      () => withLayer({ mediaType: "application/vnd.example+json" }),
      "precondition",
      /a kind that banger does not know/,
    ],
    [
      "an artifact that is no image",
      () =>
        manifest({
          config: {
            mediaType: "application/vnd.cncf.helm.config.v1+json",
            digest: image.manifest.digest,
            size: 2,
          },
        }),
      "precondition",
      /no container image/,
    ],
    [
      "one with one digest and two sizes",
      () =>
        manifest({
          layers: [descriptor(image.layers[0] as Blob), { ...descriptor(image.layers[0] as Blob), size: 1 }],
          config: undefined,
        }),
      "corrupt",
      /config/,
    ],
    [
      "one with a configuration that is larger than any",
      () =>
        manifest({ config: { mediaType: configType, digest: image.manifest.digest, size: 5 * 1024 ** 2 } }),
      "corrupt",
      /larger than/,
    ],
    [
      "one with more layers than anybody has",
      () => manifest({ layers: Array.from({ length: 513 }, () => descriptor(image.layers[0] as Blob)) }),
      "precondition",
      /513 layers/,
    ],
    [
      "one with more bytes than anybody has",
      () => withLayer({ size: 2 ** 40 }),
      "precondition",
      /bytes; banger takes/,
    ],
    [
      "a configuration of fewer layers",
      () => buildImage([layer], "gzip", { config: { rootfs: { type: "layers", diff_ids: [] } } }),
      "corrupt",
      /of 0 layers/,
    ],
    [
      "a configuration without layers' digests",
      () => buildImage([layer], "gzip", { config: { rootfs: undefined } }),
      "corrupt",
      /rootfs/,
    ],
  ];
  test.each(cases)("%s", async (_, make, code, message) => {
    await refused(fetched(make()), code, message);
  });

  test("schema 1 by its media type", async () => {
    const old = blob("application/vnd.docker.distribution.manifest.v1+prettyjws", json({ schemaVersion: 1 }));
    await refused(fetched(image, old), "precondition", /schema 1/);
  });

  test("what is no JSON, and what is no image", async () => {
    for (const text of ["", "{", "\xff\xfe", "null", "[]", "7"])
      await refused(
        fetched(image, blob(manifestType, Buffer.from(text, "latin1"))),
        "corrupt",
        /is not JSON|makes no sense/,
      );
    await refused(fetched(image, blob("text/html", json({}))), "corrupt", /is no image/);
  });

  test("an index that says a wrong size of its manifest", async () => {
    const lying = index([{ ...on(amd64), size: image.manifest.size + 1 }]);
    await refused(fetched(image, lying, [image.manifest]), "corrupt", /bytes, but its index says/);
    const huge = index([{ ...on(amd64), size: 5 * 1024 ** 2 }]);
    await refused(fetched(image, huge, [image.manifest]), "corrupt", /larger than/);
  });
});
