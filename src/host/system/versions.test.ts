import { afterEach, beforeEach, expect, test } from "bun:test";
import { readlinkSync, realpathSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { currentVersion, placeBelow } from "../../config/installed.ts";
import { install, pointTo, removeOtherVersions } from "../host.ts";
import { build, FakeHost, manual } from "../testing/fake-host.ts";

let fake: FakeHost;
beforeEach(() => {
  fake = new FakeHost();
});
afterEach(() => fake.remove());

const run = (change: Partial<Parameters<typeof install>[1]> = {}) =>
  install(fake, { owner: "alice", executable: fake.executable, build, manual, ...change });

test("an install of another version leaves that one alone, and one that fails leaves the older one alone", async () => {
  const later = { ...build, version: "1.1.0", commit: "89abcdef" };
  const versions = () => fake.dump().filter((line) => line.includes("/versions/") && line.includes(": "));
  await run();
  const before = fake.dump();
  fake.newExecutable("second build");
  fake.before = (effect) => {
    if (effect.startsWith("restart")) throw new Error("no restart");
  };
  const failed = run({ build: later });
  await expect(failed.finally(() => {})).rejects.toThrow("no restart");
  fake.before = () => {};
  expect([fake.dump().filter((line) => !line.startsWith("running")), versions()]).toEqual([
    before.filter((line) => !line.startsWith("running")),
    ["usr/local/lib/banger/versions/1.0.0-0123abcd/banger: first build"],
  ]);
  fake.answer = { ...later, pid: 4712 };
  await run({ build: later });
  expect(versions()).toEqual(["usr/local/lib/banger/versions/1.1.0-89abcdef/banger: second build"]);
});

test("the link goes from one version to the next, whatever a killed change has left beside it", async () => {
  await run();
  const place = placeBelow(join(fake.root, "usr/local"));
  const before = fake.dump();
  symlinkSync("nowhere", `${place.link}.banger-new`);
  await pointTo(place, "1.1.0-89abcdef");
  expect(currentVersion(place)).toBe("1.1.0-89abcdef");
  expect(readlinkSync(place.link)).toBe(join(place.versions, "1.1.0-89abcdef/banger"));
  await pointTo(place, "1.0.0-0123abcd");
  expect(realpathSync(place.link)).toBe(realpathSync(join(place.versions, "1.0.0-0123abcd/banger")));
  await removeOtherVersions(place.versions, "1.0.0-0123abcd");
  expect(fake.dump()).toEqual(before);
});
