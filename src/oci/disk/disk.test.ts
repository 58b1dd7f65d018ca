import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pruneBlobs } from "../../download/download.ts";
import { failure, saying } from "../testing/failures.ts";
import {
  type BuiltImage,
  buildImage,
  descriptor,
  digestOf,
  indexType,
  json,
  writeLayout,
} from "../testing/image-builder.ts";
import { pullForTest } from "../testing/pull.ts";
import { type TarSpec, tar } from "../testing/tar-writer.ts";

const layers = [tar([{ path: "a", content: "lower" }]), tar([{ path: "b", content: "x".repeat(3_000_000) }])];
const image = buildImage(layers);

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-oci-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const pull = (name: string) => pullForTest(name, { cache: join(dir, "cache") });

/** A layout in a tar; its members' names as GNU tar writes them. */
function layoutMembers({ blobs, manifest }: BuiltImage): TarSpec[] {
  return [
    { path: "./oci-layout", content: json({ imageLayoutVersion: "1.0.0" }) },
    { path: "./index.json", content: json({ schemaVersion: 2, manifests: [descriptor(manifest)] }) },
    ...[...blobs].map(([digest, content]) => ({ path: `./blobs/${digest.replace(":", "/")}`, content })),
  ];
}

function saved(name: string, members: readonly TarSpec[]): string {
  writeFileSync(join(dir, name), tar(members));
  return join(dir, name);
}

const config = json({
  architecture: "amd64",
  os: "linux",
  rootfs: { type: "layers", diff_ids: layers.map(digestOf) },
});
const listed = (RepoTags: string[] | null, more: object = {}) => ({
  Config: `${digestOf(config).slice(7)}.json`,
  RepoTags,
  Layers: ["one/layer.tar", "two/layer.tar"],
  ...more,
});
const dockerMembers = (list: unknown): TarSpec[] => [
  { path: "one/", type: "5" },
  { path: "one/layer.tar", content: layers[0] ?? "" },
  { path: "two/layer.tar", content: layers[1] ?? "" },
  { path: listed(null).Config, content: config },
  { path: "manifest.json", content: JSON.stringify(list) },
];

describe("an image on the disk", () => {
  test("may be a layout, by its tag or alone", async () => {
    writeLayout(join(dir, "layout"), image);
    for (const name of [`oci:${dir}/layout:t`, `oci:${dir}/layout`, `oci:${dir}/layout/`])
      expect((await pull(name)).root.names()).toEqual(["a", "b"]);
    expect(await failure(pull(`oci:${dir}/layout:u`))).toMatchObject({ code: "not_found", hint: "it has t" });
  });

  test("may be a layout in an archive", async () => {
    const path = saved("a.tar", layoutMembers(image));
    expect((await pull(`oci-archive:${path}`)).root.names()).toEqual(["a", "b"]);
  });

  test("may be what docker save wrote, of old and of new, with one image or several", async () => {
    const path = saved("d.tar", dockerMembers([listed(["foo/bar:x", "docker.io/foo/bar:y"])]));
    for (const name of [path, `${path}:foo/bar:x`, `${path}:docker.io/foo/bar:y`])
      expect((await pull(`docker-archive:${name}`)).root.names()).toEqual(["a", "b"]);
    const two = saved(
      "two.tar",
      dockerMembers([listed(["a:1"]), listed(["b:1"], { Layers: ["one/layer.tar"] })]),
    );
    expect(await failure(pull(`docker-archive:${two}`))).toMatchObject({
      code: "precondition",
      hint: "say which: it has a:1, b:1",
    });
    expect((await pull(`docker-archive:${two}:a:1`)).root.names()).toEqual(["a", "b"]);
    expect(await failure(pull(`docker-archive:${two}:c`))).toMatchObject({ code: "not_found" });
    const links = dockerMembers([listed(null, { Layers: ["one/layer.tar", "three/layer.tar"] })]);
    const linked = saved("l.tar", [
      ...links,
      { path: "three/layer.tar", type: "2", link: "../two/layer.tar" },
    ]);
    expect((await pull(`docker-archive:${linked}`)).root.names()).toEqual(["a", "b"]);
    const packed = dockerMembers([listed(null)]).map((member) =>
      member.path === "two/layer.tar" ? { ...member, content: gzipSync(layers[1] ?? "") } : member,
    );
    expect((await pull(`docker-archive:${saved("p.tar", packed)}`)).root.names()).toEqual(["a", "b"]);
  });

  test("is found without its manifest's help only where there is one", async () => {
    writeLayout(join(dir, "layout"), image);
    const other = buildImage([layers[0] ?? Buffer.alloc(0)]);
    const named = (of: BuiltImage, name: string) => ({
      ...descriptor(of.manifest),
      annotations: { "org.opencontainers.image.ref.name": name },
    });
    for (const [digest, bytes] of other.blobs)
      writeFileSync(join(dir, "layout/blobs", digest.replace(":", "/")), bytes);
    writeFileSync(
      join(dir, "layout/index.json"),
      json({ schemaVersion: 2, mediaType: indexType, manifests: [named(image, "one"), named(other, "two")] }),
    );
    expect(await failure(pull(`oci:${dir}/layout`))).toMatchObject({
      code: "precondition",
      hint: "say which: it has one, two",
    });
    expect((await pull(`oci:${dir}/layout:two`)).root.names()).toEqual(["a"]);
  });
});

describe("refused on the disk:", () => {
  test("what is not there, or no image", async () => {
    mkdirSync(join(dir, "empty"));
    writeFileSync(join(dir, "file"), "x");
    expect(await failure(pull(`oci:${dir}/nosuch`))).toMatchObject(saying("not_found", /no image layout/));
    expect(await failure(pull(`oci:${dir}/empty`))).toMatchObject(saying("not_found", /no image layout/));
    expect(await failure(pull(`oci:${dir}/file`))).toMatchObject({ code: "not_found" });
    for (const kind of ["oci-archive", "docker-archive"]) {
      expect(await failure(pull(`${kind}:${dir}/nosuch`))).toMatchObject(
        saying("not_found", /there is no file/),
      );
      expect(await failure(pull(`${kind}:${dir}/empty`))).toMatchObject(
        saying("not_found", /there is no file/),
      );
      expect(await failure(pull(`${kind}:${dir}/file`))).toMatchObject(saying("corrupt", /cannot be read/));
      const other = saved("other.tar", [{ path: "hello" }]);
      expect(await failure(pull(`${kind}:${other}`))).toMatchObject({
        message: expect.stringContaining(other),
      });
    }
    expect(await failure(pull("oci:relative/path"))).toMatchObject(saying("bad_request", /no absolute path/));
  });

  test("an archive that is packed, cut off, or lacks something", async () => {
    const path = saved("a.tar", layoutMembers(image));
    writeFileSync(join(dir, "a.tar.gz"), gzipSync(readFileSync(path)));
    expect(await failure(pull(`oci-archive:${dir}/a.tar.gz`))).toMatchObject(
      saying("bad_request", /compressed/),
    );
    truncateSync(path, 4000);
    expect(await failure(pull(`oci-archive:${path}`))).toMatchObject(saying("corrupt", /cut off/));
    const lacking = layoutMembers(image).filter(
      ({ path: name }) => !name.includes(image.layers[1]?.digest.slice(7) ?? ""),
    );
    expect(await failure(pull(`oci-archive:${saved("b.tar", lacking)}`))).toMatchObject(
      saying("corrupt", /lacks its blob/),
    );
    const gone = dockerMembers([listed(null, { Layers: ["../../etc/passwd"] })]);
    expect(await failure(pull(`docker-archive:${saved("c.tar", gone)}`))).toMatchObject(
      saying("corrupt", /lacks/),
    );
    const circle = [
      ...dockerMembers([listed(null, { Layers: ["x"] })]),
      { path: "x", type: "2" as const, link: "x" },
    ];
    expect(await failure(pull(`docker-archive:${saved("e.tar", circle)}`))).toMatchObject(
      saying("corrupt", /leads nowhere/),
    );
  });

  test("a blob that is not what its name says", async () => {
    writeLayout(join(dir, "layout"), image);
    const path = join(dir, "layout/blobs", (image.layers[1]?.digest ?? "").replace(":", "/"));
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(100) ^ 1, 100);
    writeFileSync(path, bytes);
    expect(await failure(pull(`oci:${dir}/layout:t`))).toMatchObject(saying("corrupt", /is another one/));
    truncateSync(path, 50);
    expect(await failure(pull(`oci:${dir}/layout:t`))).toMatchObject(
      saying("corrupt", /has 50 bytes, but its manifest says/),
    );
  });
});

describe("pruning the cache", () => {
  const cache = () => join(dir, "cache");

  test("of nothing frees nothing", async () => {
    expect(await pruneBlobs(cache(), true)).toEqual({
      bytes: 0,
      blobs: 0,
      directory: join(cache(), "oci/blobs"),
    });
  });

  test("says what it would free, and then frees it, parts and leftovers too", async () => {
    writeLayout(join(dir, "layout"), image);
    await pull(`oci:${dir}/layout:t`);
    const place = join(cache(), "oci/blobs/sha256");
    writeFileSync(join(place, `.${"a".repeat(64)}.partial`), "part");
    // Of a pull that was killed before the first byte.
    writeFileSync(join(place, `.${"b".repeat(64)}.lock`), "");
    writeFileSync(join(place, "unrelated"), "x");
    const would = await pruneBlobs(cache(), false);
    expect(would.blobs).toBe(4);
    expect(would.bytes).toBeGreaterThan(4096);
    expect(await pruneBlobs(cache(), true)).toEqual(would);
    expect(await pruneBlobs(cache(), true)).toMatchObject({ blobs: 0, bytes: 0 });
    expect([...new Bun.Glob("**/*").scanSync({ cwd: place, dot: true })]).toEqual(["unrelated"]);
    expect((await pull(`oci:${dir}/layout:t`)).root.names()).toEqual(["a", "b"]);
  });
});
