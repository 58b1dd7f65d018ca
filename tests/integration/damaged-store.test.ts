/** Images of which a power cut, or somebody, has left too little: what can still be done with them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSite, type PublishBed, publishBed, type Site, type World } from "./publish-fixture.ts";

let bed: PublishBed;
let site: Site;
let world: World;

beforeAll(async () => {
  bed = await publishBed();
  site = await openSite(join(bed.dir, "site"));
  const catalog = join(site.dir, "catalog.json");
  const signed = ["--to", site.dir, "--catalog", catalog, "--level", "1", "--sign-key", bed.signKey];
  for (const [kind, name] of [
    ["kernel", "tiny"],
    ["image", "team"],
  ] as const) {
    const published = await bed.publish(kind, name, ...signed);
    expect(published.status, published.err).toBe(0);
  }
  world = bed.clean(bed.trusting(`${site.url}/catalog.json`));
});
afterAll(async () => {
  site.close();
  await bed.end();
});

async function manifestOfPulled(): Promise<string> {
  const pulled = await world.banger("image", "pull", "team");
  expect(pulled.status, pulled.err).toBe(0);
  const [digest] = world.stored("images");
  return join(world.dir, "state/banger/images", digest ?? "", "manifest.json");
}

test("one that cannot be read is told of, and removed as the hint says", async () => {
  writeFileSync(await manifestOfPulled(), "");
  const { status, err } = await world.banger("image", "pull", "team");
  expect(status).toBe(1);
  const [, digits = ""] = /banger image delete ([0-9a-f]{12})/.exec(err) ?? [];
  const removed = await world.banger("image", "delete", digits);
  expect(removed.status, removed.err).toBe(0);
  expect(world.stored("images")).toEqual([]);
  await manifestOfPulled();
  expect((await world.banger("image", "show", "team")).status).toBe(0);
});

test("one that cannot be read is removed by its name, too", async () => {
  writeFileSync(await manifestOfPulled(), "{");
  expect((await world.banger("image", "delete", "team")).status).toBe(0);
  expect(world.stored("images")).toEqual([]);
});

test("one that has lost its manifest gives way to the next pull", async () => {
  rmSync(await manifestOfPulled());
  await manifestOfPulled();
  expect((await world.banger("image", "show", "team")).status).toBe(0);
  expect(world.stored("images")).toHaveLength(1);
});
