/** The order of an update, and the way back from each of its points, with services that only remember. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { Bed, commit, date, failure, only } from "./testing/bed.ts";

let bed: Bed;
beforeEach(() => {
  bed = new Bed();
});
afterEach(() => bed.end());

const fresh = `1.3.0-${commit}`;

describe("an update", () => {
  test("looks, verifies, tries, writes down, changes, starts, asks the new doctor, and tidies up", async () => {
    expect(await bed.update()).toEqual({ outcome: "updated", installed: "1.2.0", version: "1.3.0", date });
    expect(bed.done).toEqual([
      `--check-migrations of ${fresh}`,
      ...["adopt 1.3.0", "bring up 1.3.0", "afterwards"],
    ]);
    expect(bed.asked.slice(0, 1).concat(bed.asked.slice(1).sort())).toEqual([
      "manifest.json",
      ...["1.3.0/SHA256SUMS", "1.3.0/SHA256SUMS.sig"],
      ...["1.3.0/banger-1.3.0-linux-amd64.tar.gz", "1.3.0/banger-1.3.0-linux-amd64.tar.gz"],
    ]);
    expect(bed.ran()).toEqual(["1.2.0 --version", "1.3.0 --version", "1.3.0 doctor --json"]);
    expect(bed.state()).toEqual(only("1.3.0"));
    expect(bed.said).toEqual([
      "downloading v1.3.0, signed on 2026-11-20",
      "its signature and its checksum are right",
      "starting bangerd",
    ]);
    const { length } = bed.of("1.3.0").tarball;
    expect([bed.downloaded[0], bed.downloaded.at(-1)]).toEqual([
      [0, length],
      [length, length],
    ]);
  });

  test("of what is the latest already asks for nothing more", async () => {
    bed.install("1.3.0");
    expect((await bed.update()).outcome).toBe("current");
    expect([bed.done, bed.state().current]).toEqual([[], fresh]);
  });

  test("goes to an older version, to one before a release, and to the same one again, when it is told so", async () => {
    bed.release("1.4.0-rc.1");
    bed.manifest.latest_stable = "1.3.0";
    for (const version of ["1.4.0-rc.1", "1.2.0", "1.3.0"]) {
      expect(await bed.update({ to: version })).toMatchObject({ outcome: "updated", version });
      expect(bed.state()).toEqual(only(version));
    }
    expect(await failure(bed.update({ to: "1.3.0" }))).toMatchObject({
      code: "already_exists",
      message: "v1.3.0 is installed already, this very build",
    });
    expect(bed.state()).toEqual(only("1.3.0"));
  });

  test("with --dry-run does all but the change, and leaves nothing", async () => {
    expect((await bed.update({ dryRun: true })).outcome).toBe("ready");
    expect([bed.state(), bed.done]).toEqual([only("1.2.0"), [`--check-migrations of ${fresh}`]]);
    expect(bed.ran()).toContain("1.3.0 --version");
  });

  test("with --check only looks, from wherever the program lies", async () => {
    const found = { outcome: "available", installed: "1.2.0", version: "1.3.0", date } as const;
    expect(await bed.update({ check: true })).toEqual(found);
    expect(await bed.update({ check: true }, { executable: "/src/dist/banger", version: "1.2.0" })).toEqual(
      found,
    );
    expect([bed.ran(), bed.state()]).toEqual([[], only("1.2.0")]);
  });

  test("that broke off in its download goes on with it", async () => {
    const path = "1.3.0/banger-1.3.0-linux-amd64.tar.gz";
    const whole = bed.of("1.3.0").tarball;
    let gets = 0;
    bed.files.set(path, () => {
      gets += 1;
      return gets === 1 ? new Response(new Uint8Array(whole)) : new Response(null, { status: 404 });
    });
    expect((await failure(bed.update())).message).toContain("there is no");
    bed.files.set(path, whole);
    expect((await bed.update()).outcome).toBe("updated");
  });
});

describe("an update is refused", () => {
  test("while others have something under way, unless it is forced", async () => {
    bed.operations = [
      { method: "vm.create", op: "0badcafe", ms: 12_345 },
      { method: null, op: null, ms: 700 },
    ];
    expect(await failure(bed.update())).toMatchObject({
      code: "precondition",
      message:
        "banger is in use: a VM that is being made (vm.create, 0badcafe), for 12 s; a connection, for 1 s",
      hint: "wait for these to end; --force goes on, and cuts them off (VMs run on)",
    });
    expect([bed.state(), bed.asked.filter((path) => path.endsWith(".gz"))]).toEqual([only("1.2.0"), []]);
    expect((await bed.update({ force: true })).outcome).toBe("updated");
  });

  test("when somebody has begun something while it downloaded", async () => {
    bed.before = (effect) => {
      if (effect.startsWith("--check")) bed.operations = [{ method: "vm.start", op: "1", ms: 5 }];
    };
    expect((await failure(bed.update())).message).toContain(
      "banger is in use: a VM that is starting (vm.start, 1)",
    );
    expect(bed.state()).toMatchObject({ ...only("1.2.0"), kept: ["oci"] });
  });

  test("with the key of the source, as long as that is a placeholder", async () => {
    const { key } = { key: undefined };
    const error = await failure(
      import("./run-update.ts").then(({ runUpdate }) =>
        runUpdate(
          {
            ...{ check: true, to: undefined, dryRun: false, force: false },
            ...{ manifestUrl: new URL(bed.url("manifest.json")), publicKey: key },
          },
          {
            ...{ executable: "/src/dist/banger", version: "1.2.0", uid: 0, env: {}, asRoot: "" },
            services: async () => bed.services,
            failing: async () => [],
            now: () => new Date(),
            say: () => {},
            downloaded: () => {},
            signal: new AbortController().signal,
          },
        ),
      ),
    );
    expect(error).toMatchObject({
      code: "precondition",
      message: expect.stringContaining(
        "no key to verify releases with: the one in its source is a placeholder",
      ),
      hint: expect.stringContaining("npm run build"),
    });
    expect(bed.asked).toEqual([]);
  });

  test("of what was not installed so that it could be replaced, with what to do instead", async () => {
    const error = await failure(bed.update({}, { executable: "/src/dist/banger" }));
    expect(error).toMatchObject({
      code: "precondition",
      message:
        "/src/dist/banger was not installed by install.sh or banger system install, and cannot replace itself",
      hint: "built from source: git pull && npm run build; else install a release by install.sh (--user, or as services)",
    });
    rmSync(bed.place.link);
    expect((await failure(bed.update())).code).toBe("precondition");
    symlinkSync("/elsewhere/banger", bed.place.link);
    expect((await failure(bed.update())).code).toBe("precondition");
  });

  test("for whoever it does not belong to", async () => {
    const error = await failure(bed.update({}, { uid: 4711 }));
    expect(error.code).toBe("denied");
    expect(bed.state()).toEqual(only("1.2.0"));
  });

  test("to a version that cannot read the database", async () => {
    bed.fitness = 2;
    expect(await failure(bed.update())).toMatchObject({
      code: "bad_version",
      message: "v1.3.0 cannot read the database of this one: the database is odd",
    });
    expect(bed.state()).toMatchObject({ ...only("1.2.0"), kept: ["oci"] });
  });

  test("where only versions before a first one are", async () => {
    bed.manifest.latest_stable = null;
    expect((await failure(bed.update())).message).toContain("no release yet");
  });
});

test("what is written for others is for all to read, whatever the umask", async () => {
  const before = process.umask(0o077);
  await bed.update();
  process.umask(before);
  const mode = (path: string) =>
    Bun.file(path)
      .stat()
      .then((found) => (found.mode & 0o777).toString(8));
  expect(await mode(join(bed.place.versions, fresh))).toBe("755");
  expect(await mode(join(bed.place.versions, fresh, "banger"))).toBe("755");
  expect(await mode(join(bed.updates, "seen.json"))).toBe("644");
  expect(existsSync(join(bed.updates, "oci"))).toBe(false);
  expect(readFileSync(join(bed.updates, "seen.json"), "utf8")).toContain("1.3.0");
});
