/** The order of an update, and the way back from each of its points, with services that only remember. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toBangerError } from "../base/base.ts";
import { Bed, commit, date, only } from "./testing/bed.ts";

let bed: Bed;
beforeEach(() => {
  bed = new Bed();
});
afterEach(() => bed.end());

const failure = async (what: Promise<unknown>) =>
  toBangerError(
    await what.then(
      () => new Error("it went well"),
      (error: unknown) => error,
    ),
  );
const old = `1.2.0-${commit}`;
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
      "v1.3.0 is in the place of v1.2.0",
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
      message: "banger is in use: vm.create (0badcafe), for 12 s; a connection, for 1 s",
      hint: "wait for these to end; --force goes on, and cuts them off (VMs run on)",
    });
    expect([bed.state(), bed.asked.filter((path) => path.endsWith(".gz"))]).toEqual([only("1.2.0"), []]);
    expect((await bed.update({ force: true })).outcome).toBe("updated");
  });

  test("when somebody has begun something while it downloaded", async () => {
    bed.before = (effect) => {
      if (effect.startsWith("--check")) bed.operations = [{ method: "vm.start", op: "1", ms: 5 }];
    };
    expect((await failure(bed.update())).message).toContain("banger is in use: vm.start");
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

describe("what goes wrong after the change is taken back:", () => {
  test.each(["adopt 1.3.0", "bring up 1.3.0"])("%s", async (effect) => {
    bed.before = (now) => {
      if (now === effect) throw new Error("no power for that");
    };
    const error = await failure(bed.update());
    expect(error.message).toBe(
      "the update to v1.3.0 failed, and was rolled back to v1.2.0: no power for that",
    );
    expect(bed.state()).toEqual(only("1.2.0"));
    expect(bed.done.slice(-2)).toEqual(["adopt 1.2.0", "bring up 1.2.0"]);
    bed.before = () => {};
    expect((await bed.update()).outcome).toBe("updated");
    expect(bed.state()).toEqual(only("1.3.0"));
  });

  const report = (...failing: string[]) =>
    JSON.stringify({
      results: failing.map((id) => ({ id, state: "fail", summary: `${id} is broken` })),
    });

  test("the new doctor finds what the old one did not", async () => {
    bed.failing = ["kvm"];
    bed.release("1.3.0", { program: bed.script("1.3.0", { doctor: report("kvm", "moon") }) });
    const error = await failure(bed.update());
    expect(error.message).toBe(
      "the update to v1.3.0 failed, and was rolled back to v1.2.0: its doctor finds: moon: moon is broken",
    );
    expect(bed.runs).toBe(old);
  });

  test("what was broken before is no fault of the new version's", async () => {
    bed.failing = ["kvm"];
    bed.release("1.3.0", { program: bed.script("1.3.0", { doctor: report("kvm") }) });
    expect((await bed.update()).outcome).toBe("updated");
  });

  test("a doctor that says nothing", async () => {
    bed.release("1.3.0", { program: bed.script("1.3.0", { doctor: "" }) });
    expect((await failure(bed.update())).message).toContain("its doctor does not work");
    expect(bed.runs).toBe(old);
  });

  test("its user's Ctrl-C, which stays what it was", async () => {
    const controller = new AbortController();
    bed.before = (now) => {
      if (now === "bring up 1.3.0") controller.abort();
    };
    const error = await failure(bed.update({}, { signal: controller.signal }));
    expect([error.code, bed.runs]).toEqual(["cancelled", old]);
  });

  test("when the way back fails too, both are said, the first error first, and what to run", async () => {
    bed.before = (now) => {
      if (now === "bring up 1.3.0") throw new Error("it crashes");
      if (now === "bring up 1.2.0") throw new Error("so does that");
    };
    const error = await failure(bed.update());
    expect(error.message).toBe(
      "the update to v1.3.0 failed, and so did going back to v1.2.0 (so does that): it crashes",
    );
    expect(error.hint).toBe(`run it again: ${bed.place.versions}/${old}/banger update`);
    expect(bed.state()).toMatchObject({ current: old, kept: ["oci", "pending.json"] });
    bed.before = () => {};
    expect((await bed.update()).outcome).toBe("updated");
    expect(bed.state()).toEqual(only("1.3.0"));
  });

  test("a database that the new version has changed", async () => {
    bed.fitness = 1;
    bed.before = (now) => {
      if (now === "bring up 1.3.0") throw new Error("it crashes");
    };
    await failure(bed.update());
    expect(bed.done).toEqual([
      `--check-migrations of ${fresh}`,
      ...["stop", `--keep-state of ${old}`, "adopt 1.3.0"],
      ...["stop", "adopt 1.2.0", `--put-back-state of ${old}`, "bring up 1.2.0"],
    ]);
    bed.before = () => {};
    bed.done.length = 0;
    await bed.update();
    expect(bed.done).toContain(`--drop-kept-state of ${fresh}`);
  });
});

describe("an update that was killed is, by the next one,", () => {
  const cutOff = (pending: object = {}) => {
    mkdirSync(bed.updates, { recursive: true });
    const all = { from: old, to: fresh, failing: [], migrates: false, ...pending };
    writeFileSync(join(bed.updates, "pending.json"), JSON.stringify(all));
  };

  test("begun anew when it had changed nothing yet", async () => {
    cutOff();
    expect((await bed.update()).outcome).toBe("updated");
    expect(bed.state()).toEqual(only("1.3.0"));
  });

  test("brought to its end when the link was changed, by the new program and by the old one", async () => {
    for (const executable of [fresh, old]) {
      bed.install("1.3.0");
      bed.install("1.2.0");
      rmSync(bed.place.link);
      symlinkSync(join(bed.place.versions, fresh, "banger"), bed.place.link);
      cutOff();
      bed.done.length = 0;
      const program = join(bed.place.versions, executable, "banger");
      expect((await bed.update({}, { executable: program })).outcome).toBe("current");
      expect([bed.done, bed.state()]).toEqual([
        ["adopt 1.3.0", "bring up 1.3.0", "afterwards"],
        only("1.3.0"),
      ]);
    }
  });

  test("taken back when it cannot be brought to its end", async () => {
    bed.install("1.3.0");
    cutOff();
    bed.before = (now) => {
      if (now === "bring up 1.3.0") throw new Error("it crashes");
    };
    const executable = join(bed.place.versions, old, "banger");
    const error = await failure(bed.update({}, { executable }));
    expect(error.message).toContain("was rolled back to v1.2.0: it crashes");
    expect(bed.state()).toEqual(only("1.2.0"));
  });

  test("taken back when the new program does not even run", async () => {
    bed.install("1.3.0");
    writeFileSync(join(bed.place.versions, fresh, "banger"), "#!/bin/sh\nexit 1\n");
    cutOff();
    const executable = join(bed.place.versions, old, "banger");
    bed.before = (now) => {
      if (now.startsWith("bring up 1.3.0")) throw new Error("it crashes");
    };
    await failure(bed.update({}, { executable }));
    expect(bed.state()).toEqual(only("1.2.0"));
  });

  test("forgotten when something else was installed since", async () => {
    bed.install("1.2.5");
    cutOff();
    const executable = join(bed.place.versions, `1.2.5-${commit}`, "banger");
    expect((await bed.update({}, { executable })).outcome).toBe("updated");
    expect(bed.state()).toEqual(only("1.3.0"));
  });

  test("never a reason to put back a database that the old version can read", async () => {
    cutOff({ migrates: true });
    bed.before = (now) => {
      if (now === `--check-migrations of ${fresh}`) throw new Error("enough");
    };
    await failure(bed.update());
    expect(bed.done).toEqual([
      ...["stop", `--check-migrations of ${old}`, `--drop-kept-state of ${old}`, "bring up 1.2.0"],
    ]);
  });

  test("not taken back once the database is the new version's: what was made since would be lost", async () => {
    bed.install("1.3.0");
    cutOff({ migrates: true });
    bed.fitness = 2;
    bed.before = (now) => {
      if (now === "bring up 1.3.0") throw new Error("it crashes");
    };
    const error = await failure(bed.update({}, { executable: join(bed.place.versions, fresh, "banger") }));
    expect(error.message).toBe("the update to v1.3.0 was cut off, and cannot be finished: it crashes");
    expect(bed.state()).toMatchObject({ current: fresh, kept: ["pending.json"] });
  });

  test("none, when what was written down is damaged", async () => {
    cutOff();
    writeFileSync(join(bed.updates, "pending.json"), '{"from": "../../x"}');
    expect((await bed.update()).outcome).toBe("updated");
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
