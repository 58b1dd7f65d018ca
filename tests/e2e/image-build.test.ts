/** A Dockerfile, built inside a VM by the image's own Docker, and what comes of it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Banger } from "./fixture.ts";
import { sayLayer } from "./say.ts";

const banger = new Banger();
const name = "built-here";
const context = join(banger.dir, "context");
const build = ["image", "build", "-t", name, "--memory", "1G", context];

beforeAll(async () => {
  await banger.image();
  await banger.run(["image", "delete", name]);
  mkdirSync(context);
  sayLayer(context);
}, 1_500_000);
afterAll(async () => {
  await banger.run(["image", "delete", name]);
  await banger.close();
}, 60_000);

const nothingLeft = () => {
  expect(banger.leftovers().filter((left) => !/daemon/.test(left))).toEqual([]);
  const cache = join(banger.dir, "cache/banger");
  expect(existsSync(cache) ? readdirSync(cache).filter((each) => each.startsWith("build-")) : []).toEqual([]);
};

test("a directory without a Dockerfile is refused before anything is made", async () => {
  const { status, stderr } = await banger.run(build);
  expect([status, stderr]).toEqual([1, expect.stringContaining("has no Dockerfile")]);
  nothingLeft();
});

test("what the Dockerfile says is an image, whose VMs have its environment", async () => {
  const steps = ["FROM scratch", "COPY say /app/say", "ENV GREETING=built PATH=/app", "WORKDIR /app"];
  writeFileSync(join(context, "Dockerfile"), `${steps.join("\n")}\n`);
  expect(await banger.ok(build, { timeoutMs: 600_000 })).toBe(`${name}\n`);
  nothingLeft();
  const { oci } = JSON.parse(await banger.ok(["image", "show", name, "--json"]));
  expect(oci.reference).toBe(`build of ${context}`);
  const sizes = ["--memory", "256M", "--vcpu", "1", "--disk-size", "64M"];
  const run = ["vm", "run", "--rm", "--image", name, ...sizes, "--", "say", "6"];
  expect(await banger.run(run)).toMatchObject({ status: 6, stdout: "built /app 6\n" });
  const again = await banger.run(build);
  expect([again.status, again.stderr]).toEqual([1, expect.stringContaining("there is an image")]);
}, 900_000);
