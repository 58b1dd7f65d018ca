/** How images come that are not here yet: ready-made if a catalog has them so, else built. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { imageCatalog } from "../../catalog/catalog.ts";
import { parseConfig } from "../../config/config.ts";
import { packImage, readImage } from "../../image/image.ts";
import { sealImage } from "../../image/store.ts";
import { failure, saying } from "../../oci/testing/failures.ts";
import type { LifecycleEvent } from "../../rpc/rpc.ts";
import { openState, type State } from "../../state/state.ts";
import { stageDirectory } from "../../sys/sys.ts";
import { bundles } from "./bundles.ts";
import { HeldKernels } from "./held-kernels.ts";
import { catalogOffers } from "./offers.ts";
import type { Recipes } from "./recipes.ts";
import type { Stores } from "./rows.ts";
import { type Supply, supply } from "./supply.ts";

const own = imageCatalog[0]?.name ?? "";
const kernelId = `sha256:${"c".repeat(64)}`;

let dir: string;
let state: State;
let stores: Stores;
let events: LifecycleEvent[];
let built: string[];
const signal = new AbortController().signal;
const ctx = { signal, emit: (event: LifecycleEvent) => events.push(event) };
const warnings = () => events.flatMap((event) => (event.kind === "warning" ? [event.message] : []));

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-supply-"));
  state = openState(join(dir, "banger.db"));
  stores = { images: join(dir, "images"), kernels: join(dir, "kernels") };
  events = [];
  built = [];
  addKernel("generic", "c");
});
afterEach(() => {
  state.close();
  rmSync(dir, { recursive: true });
});

function addKernel(name: string, digit: string): void {
  const directory = join(stores.kernels, digit.repeat(64));
  mkdirSync(directory, { recursive: true });
  const manifest = {
    id: `sha256:${digit.repeat(64)}`,
    name,
    arch: "amd64",
    release: "6.12.1",
    source: "a test",
  };
  writeFileSync(
    join(directory, "manifest.json"),
    JSON.stringify({ ...manifest, createdAt: "2026-11-28T00:00:00Z" }),
  );
}

/** An image in `images`; gives its directory. */
function makeImage(images: string, name: string): Promise<string> {
  return stageDirectory(images, async (staging) => {
    const rootfs = join(staging, "rootfs.ext4");
    const bytes = Buffer.alloc(8192);
    bytes.writeUInt16LE(0xef53, 1024 + 0x38);
    writeFileSync(rootfs, bytes);
    truncateSync(rootfs, 1024 ** 2);
    mkdirSync(join(staging, "seed/.ssh"), { recursive: true, mode: 0o700 });
    writeFileSync(join(staging, "seed/.profile"), "# profile\n");
    const digest = createHash("sha256").update(`${images} ${name}`).digest("hex");
    const id = `sha256:${digest}`;
    const kernel = { id: kernelId, name: "generic" };
    await sealImage(staging, { id, name, revision: 1, distro: "debian", arch: "amd64", kernel });
    return digest;
  });
}

/** A catalog file with a bundle of an image that was made elsewhere; what `change` makes of its entry. */
async function publish(
  name: string,
  change: (bundle: Record<string, unknown>) => void = () => {},
): Promise<string> {
  const elsewhere = join(dir, "elsewhere");
  const made = await makeImage(join(elsewhere, "images"), "made");
  const image = await readImage(join(elsewhere, "images"), made.split("/").at(-1) ?? "");
  const packed = await packImage(image, { into: elsewhere, level: 1, signal });
  const { sha256, size, unpackedBytes } = packed;
  const bundle = { url: packed.name, sha256, size, unpackedBytes };
  change(bundle);
  const entry = { name, description: "", distro: "debian", arch: "amd64", kernel: "generic", bundle };
  const path = join(elsewhere, "catalog.json");
  writeFileSync(path, JSON.stringify({ version: 1, serial: 1, images: [entry] }));
  return path;
}

function supplyOf(catalog: string): Supply {
  const config = parseConfig(`[[catalog]]\nsource = "${catalog}"\n`, "config.toml");
  const paths = { state: dir, cache: join(dir, "cache"), largerState: "" };
  const recipes: Recipes = {
    image: async ({ name }) => {
      built.push(name);
      return await makeImage(stores.images, name);
    },
    kernel: () => Promise.reject(new Error("no kernel is built here")),
  };
  return supply(state, stores, {
    offers: catalogOffers(config, paths),
    bundles: bundles(stores, paths),
    recipes,
    held: new HeldKernels(),
  });
}

test("an image of a catalog of config.toml is fetched, as it was made, and told of", async () => {
  const image = await supplyOf(await publish("team")).image("team", ctx);
  expect(image).toMatchObject({
    name: "team",
    kernel: { id: kernelId },
    revision: 1,
    origin: { kind: "bundle" },
  });
  expect(readFileSync(join(image.seed, ".profile"), "utf8")).toBe("# profile\n");
  expect(state.images.list().map(({ name, id }) => [name, id])).toEqual([["team", image.id]]);
  expect(events.map((event) => event.kind === "stage" && [event.stage, event.status])).toContainEqual([
    "image_bundle",
    "done",
  ]);
  expect(warnings()).toEqual([]);
});

test("banger's own image is built when its bundle cannot be had, which is said", async () => {
  const catalog = await publish(own, (bundle) => {
    bundle.url = "gone.tar.zst";
  });
  const image = await supplyOf(catalog).image(own, ctx);
  expect([image.name, built]).toEqual([own, [own]]);
  expect(warnings()).toEqual([expect.stringMatching(/cannot be had ready-made .*gone.* built here/)]);
});

test("a bundle that is another one than its catalog says is an error, whatever else could be done", async () => {
  const catalog = await publish(own, (bundle) => {
    bundle.sha256 = "0".repeat(64);
  });
  expect(await failure(supplyOf(catalog).image(own, ctx))).toMatchObject(saying("corrupt", /another one/));
  expect(built).toEqual([]);
});

test("where nothing can be built, the bundle's failure is the error", async () => {
  const catalog = await publish("team", (bundle) => {
    bundle.url = "gone.tar.zst";
  });
  expect(await failure(supplyOf(catalog).image("team", ctx))).toMatchObject({ code: "not_found" });
});

test("what a catalog has at no address is an error, and not looked for elsewhere", async () => {
  const catalog = await publish("team", (bundle) => {
    bundle.url = "http://[";
  });
  expect(await failure(supplyOf(catalog).image("team", ctx))).toMatchObject(
    saying("corrupt", /has image team at no address/),
  );
});

test("an image whose very kernel is not here has the one of its name, and the difference is said", async () => {
  const catalog = await publish("team");
  rmSync(join(stores.kernels, "c".repeat(64)), { recursive: true });
  addKernel("generic", "d");
  const image = await supplyOf(catalog).image("team", ctx);
  expect(image.kernel.id).toBe(`sha256:${"d".repeat(64)}`);
  expect(warnings()).toEqual([expect.stringMatching(/another build of kernel generic/)]);
});

test("a name in no catalog is told so, with the nearest; while a catalog is silent it is not looked for elsewhere", async () => {
  expect(await failure(supplyOf(await publish("team")).image("tean", ctx))).toMatchObject({
    code: "not_found",
    hint: expect.stringContaining("team"),
  });
  expect(await failure(supplyOf(join(dir, "no-catalog.json")).image("tean", ctx))).toMatchObject(
    saying("unavailable", /whether there is image tean is not known/),
  );
});
