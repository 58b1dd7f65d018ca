/** The real image and its kernel, published by this machine, pulled into a clean state, and booted. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSite, type Site } from "../integration/publish-fixture.ts";
import { Banger, executable, root } from "./fixture.ts";

const banger = new Banger();
const place = join(banger.dir, "site");
let site: Site;
/** Directories of somebody who has seen nothing yet. */
const clean = {
  XDG_STATE_HOME: join(banger.dir, "clean/state"),
  XDG_CACHE_HOME: join(banger.dir, "clean/cache"),
  XDG_CONFIG_HOME: join(banger.dir, "clean/config"),
  XDG_RUNTIME_DIR: join(banger.dir, "clean/run"),
};

async function publish(what: "image" | "kernel", name: string): Promise<void> {
  const script = join(root, `scripts/publish-${what}.ts`);
  const args = [name, "--to", place, "--catalog", join(place, "catalog.json"), "--level", "1"];
  const env = { ...banger.env, TMPDIR: banger.dir };
  const child = Bun.spawn([process.execPath, script, ...args, "--url", site.url, "--banger", executable], {
    ...{ env, stdin: "ignore", stdout: "ignore", stderr: "pipe" },
  });
  const said = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(said);
}

beforeAll(async () => {
  await banger.image();
  site = await openSite(place);
  mkdirSync(join(clean.XDG_CONFIG_HOME, "banger"), { recursive: true });
  const config = `[[catalog]]\nsource = "${place}/catalog.json"\n[warm]\nmode = "off"\n`;
  writeFileSync(join(clean.XDG_CONFIG_HOME, "banger/config.toml"), config);
  await publish("kernel", "debian-cloud-6.1");
  await publish("image", "debian-bookworm");
}, 900_000);
afterAll(async () => {
  await banger.run(["daemon", "stop"], { env: clean });
  site.close();
  await banger.close();
}, 60_000);

test("vm run fetches the image and its kernel ready-made, and boots them", async () => {
  const size = ["--memory", "512M", "--vcpu", "2", "--disk-size", "256M"];
  const command = ["sh", "-c", ". /etc/os-release; echo $VERSION_CODENAME"];
  const started = await banger.run(["vm", "run", "--rm", ...size, "--", ...command], {
    env: clean,
    timeoutMs: 600_000,
  });
  expect([started.status, started.stdout], started.stderr).toEqual([0, "bookworm\n"]);
  const shown = async (...args: string[]) => JSON.parse(await banger.ok(args, { env: clean }));
  const image = await shown("image", "show", "debian-bookworm");
  expect(image).toMatchObject({ kind: "bundle", outdated: false, kernel: "debian-cloud-6.1" });
  expect(site.requests.filter((request) => request.startsWith("GET")).length).toBe(2);
}, 900_000);
