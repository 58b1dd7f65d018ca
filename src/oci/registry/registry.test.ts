import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { failure, saying } from "../testing/failures.ts";
import { type BuiltImage, buildImage } from "../testing/image-builder.ts";
import { fetchForTest } from "../testing/pull.ts";
import { registryBench } from "../testing/registry-bench.ts";
import { tar } from "../testing/tar-writer.ts";

/** Incompressible, so that its size on the way is known. */
const content = randomBytes(600_000);
const honest = buildImage([tar([{ path: "a", content: "lower" }]), tar([{ path: "b", content }])]);
const [small, large] = honest.layers.map(({ digest }) => digest);
const bench = registryBench(honest);
const { pull } = bench;

function blobOf(image: BuiltImage, digest: string | undefined): Buffer {
  return image.blobs.get(digest ?? "") ?? Buffer.alloc(0);
}

describe("pulling from a registry", () => {
  test("gives the root of all layers, by tag and by digest", async () => {
    const { root } = await pull();
    expect(root.names()).toEqual(["a", "b"]);
    expect(root.text("a")).toBe("lower");
    const pinned = `${bench.registry.host}/image@${honest.manifest.digest}`;
    expect((await pull({}, pinned)).root.lines()).toEqual(root.lines());
  });

  test("makes the working directory that no layer has, where links of the image's lead", async () => {
    const link = { path: "srv", type: "2", link: "var/data" } as const;
    const layer = tar([link, { path: "has/", type: "5", mode: 0o700 }]);
    for (const [WorkingDir, names] of [
      ["/srv/app", ["has", "srv", "var", "var/data", "var/data/app"]],
      ["has", ["has", "srv"]],
    ] as const) {
      bench.registry.put(buildImage([layer], "gzip", { config: { config: { WorkingDir } } }));
      expect((await pull()).root.names()).toEqual([...names]);
    }
  });

  test("a second time moves no blob's bytes", async () => {
    await pull();
    const sent = bench.registry.sentBytes;
    await pull();
    expect(bench.registry.sentBytes).toBe(sent);
  });

  test("two at once move each blob once", async () => {
    const [one, other] = await Promise.all([pull(), pull()]);
    expect(one.root.lines()).toEqual(other.root.lines());
    expect(bench.registry.requests.filter((line) => line.includes(`blobs/${large}`))).toHaveLength(1);
  });

  test("tells how much of what is missing has come", async () => {
    const told: number[][] = [];
    await pull({ onLayers: (done, total) => told.push([done, total]) });
    const total = honest.layers.reduce((sum, { size }) => sum + size, 0);
    expect(told[0]).toEqual([0, total]);
    expect(told.at(-1)).toEqual([total, total]);
    const again: number[][] = [];
    await pull({ onLayers: (done, all) => again.push([done, all]) });
    expect(again).toEqual([]);
  });

  test("asks for room before anything large is fetched", async () => {
    const error = await failure(pull({ needSpace: async () => Promise.reject(new Error("no room")) }));
    expect(error).toMatchObject({ message: "no room" });
    for (const digest of [small, large])
      expect(bench.registry.requests.some((line) => line.includes(`/blobs/${digest}`))).toBe(false);
  });

  test("leaves nothing of its own in the cache but blobs", async () => {
    await pull();
    expect(bench.blobs()).toEqual(bench.wholeBlobs());
    expect(bench.wholeBlobs()).toHaveLength(3);
  });
});

describe("refused, and not in the cache:", () => {
  const lies: [string, (blob: Buffer) => { bytes: Buffer; length?: number }, RegExp][] = [
    [
      "a blob that is another one",
      (blob) => ({ bytes: randomBytes(blob.length) }),
      /is another one: what came is sha256:/,
    ],
    [
      "one that is announced shorter",
      (blob) => ({ bytes: blob.subarray(1), length: blob.length - 1 }),
      /its manifest says/,
    ],
    [
      "one that is announced longer",
      (blob) => ({ bytes: Buffer.concat([blob, blob]), length: 2 * blob.length }),
      /its manifest says/,
    ],
    [
      "one that never ends",
      (blob) => ({ bytes: Buffer.concat([blob, Buffer.alloc(1)]) }),
      /larger than the \d+ bytes/,
    ],
  ];
  test.each(lies)("%s", async (_, lie, message) => {
    bench.registry.intercept = (request, response) => {
      if (!request.url?.endsWith(`${large}`)) return false;
      const { bytes, length } = lie(blobOf(honest, large));
      response.writeHead(200, length === undefined ? {} : { "content-length": length }).end(bytes);
      return true;
    };
    expect(await failure(pull())).toMatchObject(saying("corrupt", message));
    expect(bench.wholeBlobs()).not.toContain(large?.slice(7));
    expect(bench.blobs().filter((name) => name.includes(large?.slice(7) ?? ""))).toEqual([]);
  });

  test("a manifest that is not the one of the digest", async () => {
    const other = buildImage([tar([{ path: "evil" }])]);
    bench.registry.intercept = (request, response) => {
      if (!request.url?.includes("/manifests/")) return false;
      response.writeHead(200, { "content-type": other.manifest.mediaType }).end(other.manifest.bytes);
      return true;
    };
    const pinned = `${bench.registry.host}/image@${honest.manifest.digest}`;
    expect(await failure(pull({}, pinned))).toMatchObject(saying("corrupt", /is another document/));
  });

  test("a document that has no end", async () => {
    bench.registry.intercept = (_, response) => {
      response.writeHead(200, { "content-type": honest.manifest.mediaType });
      response.end(Buffer.alloc(4 * 1024 ** 2 + 1, " "));
      return true;
    };
    expect(await failure(pull())).toMatchObject(saying("corrupt", /is larger than 4194304 bytes/));
  });

  test("an image that is not there, with the registry's own words", async () => {
    const error = await failure(pull({}, `${bench.registry.host}/image:nosuch`));
    expect(error).toMatchObject(saying("not_found", /has no .*image:nosuch: manifest unknown/));
  });

  test("a registry that is not there", async () => {
    const error = await failure(pull({ patience: { pauseMs: 1 } }, "127.0.0.1:1/image:t"));
    expect(error).toMatchObject(saying("unavailable", /127\.0\.0\.1:1/));
  });
});

describe("a blob in the cache", () => {
  test("that has another size than it should is fetched again", async () => {
    await pull();
    writeFileSync(join(bench.cache, "oci/blobs/sha256", large?.slice(7) ?? ""), "short");
    expect((await pull()).root.names()).toEqual(["a", "b"]);
    expect(
      readFileSync(join(bench.cache, "oci/blobs/sha256", large?.slice(7) ?? "")).equals(
        blobOf(honest, large),
      ),
    ).toBe(true);
  });

  test("is read only as long as it is open, and every handle is closed", async () => {
    const blobs: FileHandle[] = [];
    const image = await fetchForTest(
      `${bench.registry.host}/image:t`,
      { cache: bench.cache },
      async (layer) => {
        expect((await layer.blob.stat()).size).toBe(layer.descriptor.size);
        blobs.push(layer.blob);
      },
    );
    expect(image.layers.map(({ descriptor }) => descriptor.digest as string)).toEqual([
      small ?? "",
      large ?? "",
    ]);
    expect(blobs).toHaveLength(2);
    for (const blob of blobs) expect(await failure(blob.stat())).toBeDefined();
  });
});
