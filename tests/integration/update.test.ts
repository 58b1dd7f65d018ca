/** `banger update` of a user's own installation: real executables, a real daemon, releases on loopback. */
import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../../src/rpc/rpc.ts";
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

test("a release whose daemon does not start is taken back, with the first error, and the older daemon runs", async () => {
  const one = await person();
  await one.run(["vm", "list"]);
  await bed.release("1.3.1", await executable("1.3.1", "daemon"), "2026-11-21T10:00:00Z");
  const { status, err } = await one.update();
  expect({ status, err }).toEqual({ status: 1, err: expect.stringContaining("the moon is not full") });
  expect(err).toMatch(
    /banger: the update to v1\.3\.1 failed, and was rolled back to v1\.2\.0: bangerd of v1\.3\.1 does not work: /,
  );
  expect([one.version(), one.left(), (await one.daemon())?.version]).toEqual(["v1.2.0", [before], "1.2.0"]);
  await one.stopDaemon();
});

test("so is one whose doctor finds what the older one did not, with a database that it has changed already", async () => {
  const one = await person();
  await one.run(["vm", "list"]);
  await bed.release("1.3.2", await executable("1.3.2", "migration and doctor"), "2026-11-22T10:00:00Z");
  const { status, err } = await one.update();
  expect({ status, err }).toEqual({
    ...{ status: 1, err: expect.stringContaining("its doctor finds: moon: the moon is not full") },
  });
  expect([one.version(), one.left(), (await one.daemon())?.version]).toEqual(["v1.2.0", [before], "1.2.0"]);
  expect(migrationsOf(one)).not.toContain(99);
  expect(stateFiles(one)).not.toContain("banger.db.before-update");
  await one.stopDaemon();
});

test("a release that changes the database is gone back from by nobody: an older version is refused before anything is changed", async () => {
  const one = await person();
  await one.run(["vm", "list"]);
  await bed.release("1.3.3", await executable("1.3.3", "migration"), "2026-11-23T10:00:00Z");
  expect((await one.update()).status).toBe(0);
  expect([migrationsOf(one).includes(99), stateFiles(one).filter((name) => name.includes("before"))]).toEqual(
    [true, []],
  );
  const { status, err } = await one.update(["--to", "v1.2.0"]);
  expect([status, err]).toEqual([1, expect.stringContaining("v1.2.0 cannot read the database of this one")]);
  expect([one.version(), (await one.daemon())?.version]).toEqual(["v1.3.3", "1.3.3"]);
  await one.stopDaemon();
});

test("a program that does not run is found out before anything is changed", async () => {
  const one = await person();
  await bed.release("1.3.4", await executable("1.3.4", "crash"), "2026-11-24T10:00:00Z");
  const { status, err } = await one.update();
  expect([status, err]).toEqual([1, expect.stringContaining("does not run here")]);
  expect([one.version(), one.left()]).toEqual(["v1.2.0", [before]]);
});

test("while somebody follows what happens it is refused; --force cuts that off", async () => {
  const one = await person();
  await one.run(["vm", "list"]);
  const follower = Bun.spawn([one.link, "events"], { env: one.env, stdout: "pipe", stderr: "pipe" });
  const client = await connect(join(one.home, "run/banger/bangerd.sock"));
  while ((await client.call("daemon.operations.list", {}))[0]?.method !== "events.follow")
    await Bun.sleep(20);
  client.close();
  await client.closed;
  const { status, err } = await one.update(["--to", "1.3.0"]);
  expect([status, err]).toEqual([
    1,
    expect.stringContaining("in use: somebody who follows events (events.follow, "),
  ]);
  expect(err).toContain("hint: wait for these to end; --force goes on");
  expect((await one.daemon())?.version).toBe("1.2.0");
  expect((await one.update(["--to", "1.3.0", "--force"])).status).toBe(0);
  await follower.exited;
  expect((await one.daemon())?.version).toBe("1.3.0");
  await one.stopDaemon();
});

test("nothing of a release is run, or unpacked, before it is verified: as strace sees it", async () => {
  const one = await person();
  const trace = join(one.home, "trace");
  const traced = [
    "strace",
    "-f",
    "-qq",
    "-e",
    "trace=execve,rename,renameat,renameat2",
    "-e",
    "signal=none",
    "-o",
    trace,
  ];
  const lines = () => readFileSync(trace, "utf8").split("\n");
  const ofRelease = () => lines().filter((line) => /execve\("[^"]*\/versions\/(?!1\.2\.0-)/.test(line));
  const sig = join(bed.site.dir, "1.3.0/SHA256SUMS.sig");
  const tarball = join(bed.site.dir, "1.3.0/banger-1.3.0-linux-amd64.tar.gz");
  const [goodSig, good] = [readFileSync(sig), readFileSync(tarball)];
  writeFileSync(sig, readFileSync(join(bed.site.dir, "1.2.0/SHA256SUMS.sig")));
  expect((await one.update(["--to", "1.3.0"], traced)).err).toContain("the signature of v1.3.0 is not right");
  expect(ofRelease()).toEqual([]);
  writeFileSync(sig, goodSig);
  const wrong = Buffer.from(good);
  wrong[1000] = (wrong[1000] ?? 0) ^ 255;
  writeFileSync(tarball, wrong);
  expect((await one.update(["--to", "1.3.0"], traced)).err).toContain("is not the one that was signed");
  expect([ofRelease(), one.left()]).toEqual([[], [before]]);
  writeFileSync(tarball, good);
  // strace stays for as long as the daemon does that was started under it.
  const done = one.update(["--to", "1.3.0"], traced);
  while (one.left().join() !== after) await Bun.sleep(50);
  await one.stopDaemon();
  expect((await done).status).toBe(0);
  // The download gets its name when its digest is right, and not before.
  const verified = lines().findIndex((line) => /rename\w*\(.*\.[0-9a-f]{64}\.partial".*= 0$/.test(line));
  const first = lines().indexOf(ofRelease()[0] ?? "");
  expect([verified > 0, first > verified]).toEqual([true, true]);
});

test("with the key of this source, which is a placeholder, nothing is believed; and what lies elsewhere is not replaced", async () => {
  const one = await person();
  const manifest = ["--manifest-url", `${bed.site.url}/manifest.json`];
  expect(await one.run(["update", ...manifest])).toMatchObject({
    status: 1,
    err: expect.stringContaining("no key to verify releases with: the one in its source is a placeholder"),
  });
  const elsewhere = Bun.spawnSync([old, ...one.updating()], { env: one.env });
  expect(`${elsewhere.stderr}`).toContain("was not installed by install.sh or banger system install");
  expect(one.left()).toEqual([before]);
});

const stateFiles = (one: Person) => readdirSync(join(one.home, "s/banger"));

function migrationsOf(one: Person): number[] {
  const db = new Database(join(one.home, "s/banger/banger.db"), { readonly: true });
  try {
    return db
      .query<{ id: number }, []>("SELECT id FROM schema_migrations")
      .all()
      .map(({ id }) => id);
  } finally {
    db.close();
  }
}
