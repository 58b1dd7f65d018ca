import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { type AddressInfo, createServer as createNetServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { imageCatalog, imageOffers, kernelOffers, type OthersCatalogs, readOthers } from "./catalog.ts";
import { rememberCatalog } from "./seen.ts";

const pair = () => generateKeyPairSync("ec", { namedCurve: "prime256v1" });
const pemOf = (keys: ReturnType<typeof pair>) =>
  keys.publicKey.export({ type: "spki", format: "pem" }).toString();
const [ours, theirs] = [pair(), pair()];
const own = imageCatalog[0]?.name ?? "";

const bundle = { url: "team.tar.zst", sha256: "a".repeat(64), size: 10, unpackedBytes: 20 };
const image = (name: string, more = {}) => ({
  name,
  description: "the team's",
  distro: "debian",
  arch: "amd64",
  kernel: "generic",
  bundle,
  ...more,
});
const catalog = (serial: number, images: unknown[] = [image("team")], more = {}) =>
  JSON.stringify({ version: 1, serial, images, ...more });

let dir: string;
let server: Server;
let files: Map<string, string>;
let base: string;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), "banger-catalog-"));
  files = new Map();
  server = createServer((request, response) => {
    const text = files.get(request.url ?? "");
    response.writeHead(text === undefined ? 404 : 200).end(text ?? "");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
  rmSync(dir, { recursive: true });
});

function publish(text: string, by = ours): void {
  files.set("/c/catalog.json", text);
  files.set("/c/catalog.json.sig", sign("sha256", Buffer.from(text), by.privateKey).toString("base64"));
}

function read(
  key: string | undefined = pemOf(ours),
  source = `${base}/c/catalog.json`,
  silenceMs = 500,
): Promise<OthersCatalogs> {
  return readOthers([{ source, key }], dir, {
    authorities: async () => undefined,
    patience: { silenceMs, slowMs: 60_000, slowBytes: 1, pauseMs: 1 },
    signal: new AbortController().signal,
  });
}

const readFile = (path: string): Promise<OthersCatalogs> =>
  readOthers([{ source: path, key: undefined }], dir, {
    authorities: async () => undefined,
    patience: { silenceMs: 500, slowMs: 1000, slowBytes: 1, pauseMs: 1 },
    signal: new AbortController().signal,
  });

describe("a catalog of others", () => {
  test("offers what it has, at addresses beside its own; banger's own stays beside it", async () => {
    publish(catalog(1));
    const { catalogs, troubles } = await read();
    expect(troubles).toEqual([]);
    const offers = imageOffers(catalogs);
    expect(offers.map(({ entry }) => entry.name)).toEqual(["team", own]);
    expect(offers[0]?.bundle).toMatchObject({
      sha256: bundle.sha256,
      at: { url: new URL(`${base}/c/team.tar.zst`) },
    });
    expect(kernelOffers(catalogs).every(({ bundle }) => bundle === undefined)).toBe(true);
  });

  test("may have banger's own image ready-made, which can then be built as well", async () => {
    publish(catalog(1, [image(own)]));
    const [offer] = imageOffers((await read()).catalogs);
    expect(offer?.bundle).toBeDefined();
    expect(offer?.entry.recipe).toEqual(imageCatalog[0]?.recipe);
  });

  test.each([
    ["signed by somebody else", () => publish(catalog(1), theirs), /not signed by the key/],
    ["without a signature", () => files.set("/c/catalog.json", catalog(1)), /no .*\.sig/],
    [
      "changed behind its signature",
      () => {
        publish(catalog(1));
        files.set("/c/catalog.json", catalog(2));
      },
      /not signed/,
    ],
    ["no JSON", () => publish("<html>"), /is no catalog/],
    ["a name that is a path", () => publish(catalog(1, [image("../x")])), /images\.0\.name/],
    ["a recipe of its own", () => publish(catalog(1, [image("x", { recipe: { suite: "s" } })])), /recipe/],
    ["of another version", () => publish(JSON.stringify({ version: 2, serial: 1 })), /version/],
    ["a name twice", () => publish(catalog(1, [image("x"), image("x")])), /x twice/],
    ["endless", () => publish(catalog(1) + " ".repeat(5 * 1024 * 1024)), /larger than/],
    ["not there", () => {}, /no http/],
  ])("%s is left out, and said", async (_, make, message) => {
    make();
    const { catalogs, troubles } = await read();
    expect(catalogs).toEqual([]);
    expect(troubles).toEqual([expect.stringMatching(message)]);
  });

  test("that is older than the one seen before is refused; one that cannot be had is what it was", async () => {
    publish(catalog(7));
    await read();
    publish(catalog(6));
    const older = await read();
    expect(older.catalogs).toEqual([]);
    expect(older.troubles[0]).toMatch(/serial number 6, and had 7/);
    files.clear();
    const gone = await read();
    expect(gone.catalogs.map(({ images }) => images[0]?.name)).toEqual(["team"]);
    expect(gone.troubles[0]).toMatch(/cannot be had .*going by what it said/);
    // Of another key it was never seen.
    expect((await read(pemOf(theirs))).catalogs).toEqual([]);
  });

  test("whose server is silent is asked again when nothing is known of it, and else once: somebody waits", async () => {
    let asked = 0;
    const silent = createNetServer((socket) => {
      asked += 1;
      socket.resume();
    });
    await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
    const source = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/c/catalog.json`;
    // Seen there before, when it answered.
    publish(catalog(1));
    await rememberCatalog(dir, source, {
      bytes: Buffer.from(files.get("/c/catalog.json") ?? ""),
      signature: files.get("/c/catalog.json.sig"),
    });
    const seen = await read(pemOf(ours), source, 50);
    expect(seen.catalogs.length).toBe(1);
    expect(seen.troubles).toEqual([expect.stringMatching(/said nothing.*going by what it said/)]);
    expect(asked).toBe(1);
    const unseen = await read(pemOf(theirs), source, 50);
    expect(unseen.troubles).toEqual([expect.stringMatching(/is left out/)]);
    expect(asked).toBe(6);
    silent.close();
  });

  test("may be a file, which needs no key, and may name files", async () => {
    const path = join(dir, "mine", "catalog.json");
    mkdirSync(join(dir, "mine"));
    writeFileSync(path, catalog(1));
    const { catalogs } = await readOthers([{ source: path, key: undefined }], dir, {
      authorities: async () => undefined,
      patience: { silenceMs: 500, slowMs: 1000, slowBytes: 1, pauseMs: 1 },
      signal: new AbortController().signal,
    });
    expect(imageOffers(catalogs)[0]?.bundle?.at).toEqual({ path: join(dir, "mine", "team.tar.zst") });
  });

  test.each(["file://otherhost/x", "..%2f..%2fx", "x%00y"])(
    "with an entry at %s is without that entry, which is said",
    async (url) => {
      const path = join(dir, "catalog.json");
      writeFileSync(path, catalog(1, [image("bad", { bundle: { ...bundle, url } }), image("team")]));
      const { catalogs, troubles } = await readFile(path);
      expect(imageOffers(catalogs).map(({ entry }) => entry.name)).toEqual(["team", own]);
      expect(troubles).toEqual([expect.stringMatching(/^bad of catalog .*catalog\.json is left out/)]);
    },
  );

  test("that cannot be remembered is used all the same", async () => {
    const path = join(dir, "catalog.json");
    writeFileSync(path, catalog(1));
    writeFileSync(join(dir, "catalogs"), "in the way");
    const { catalogs, troubles } = await readFile(path);
    expect(catalogs.length).toBe(1);
    expect(troubles).toEqual([expect.stringMatching(/is not kept/)]);
  });

  test("from elsewhere names no files of this machine", async () => {
    publish(catalog(1, [image("team", { bundle: { ...bundle, url: "file:///etc/shadow" } })]));
    expect(imageOffers((await read()).catalogs).map(({ entry }) => entry.name)).toEqual([own]);
  });

  test("has a key that may be a file, and a wrong one is said", async () => {
    publish(catalog(1));
    const key = join(dir, "key.pem");
    writeFileSync(key, pemOf(ours));
    expect((await read(key)).catalogs.length).toBe(1);
    expect((await read(join(dir, "none.pem"))).troubles[0]).toMatch(/cannot be read/);
    Bun.spawnSync(["mkfifo", join(dir, "fifo")]);
    for (const endless of [join(dir, "fifo"), "/dev/zero"])
      expect((await read(endless)).troubles[0]).toMatch(/cannot be read/);
    expect((await read("-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----")).troubles[0]).toMatch(
      /no public key/,
    );
  });
});
