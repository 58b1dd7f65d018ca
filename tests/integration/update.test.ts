/** `banger update` of a user's own installation: real executables, a real daemon, releases on loopback. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { executable, Person, type UpdateBed, updateBed } from "./update-fixture.ts";

const before = "1.2.0-0badcafe";
const after = "1.3.0-0badcafe";

let bed: UpdateBed;
let old: string;
beforeAll(async () => {
  bed = await updateBed();
  old = await executable("1.2.0");
  await bed.release("1.2.0", old, "2026-11-01T10:00:00Z");
  await bed.release("1.3.0", await executable("1.3.0"));
});
afterAll(() => bed.end());

let people = 0;
async function person(): Promise<Person> {
  const one = new Person(bed, `p${people++}`);
  one.install("1.2.0", old);
  return one;
}

test("--check is one line, and changes nothing", async () => {
  const one = await person();
  expect(await one.update(["--check"])).toEqual({
    status: 0,
    out: "v1.3.0 is to be had (signed on 2026-11-20); v1.2.0 is installed\n",
    err: "",
  });
  expect([one.version(), one.left(), await one.daemon()]).toEqual(["v1.2.0", [before], undefined]);
});

test("the latest takes the place of the installed one, and of the daemon that runs; the next run has nothing to do", async () => {
  const one = await person();
  expect((await one.run(["vm", "list"])).status).toBe(0);
  expect((await one.daemon())?.version).toBe("1.2.0");
  const { status, out, err } = await one.update();
  expect({ status, out }, err).toEqual({ status: 0, out: "v1.3.0 is installed (signed on 2026-11-20)\n" });
  expect([one.version(), one.left(), (await one.daemon())?.version]).toEqual(["v1.3.0", [after], "1.3.0"]);
  expect(realpathSync(one.link)).toBe(join(realpathSync(one.versions), after, "banger"));
  expect(JSON.parse(readFileSync(join(one.updates, "seen.json"), "utf8"))).toEqual({
    version: "1.3.0",
    date: "2026-11-20T10:00:00Z",
  });
  expect(await one.update()).toMatchObject({
    status: 0,
    out: "v1.3.0 is installed, which is the latest (signed on 2026-11-20)\n",
  });
  await one.stopDaemon();
});
