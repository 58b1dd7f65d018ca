/** What goes wrong after the change has begun, and what a killed update has left. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Bed, commit, failure, only } from "./testing/bed.ts";

let bed: Bed;
beforeEach(() => {
  bed = new Bed();
});
afterEach(() => bed.end());

const old = `1.2.0-${commit}`;
const fresh = `1.3.0-${commit}`;

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
    expect(bed.said.at(-1)).toBe("interrupted: going back to v1.2.0");
  });

  test("its user's Ctrl-C, who is told when that is not how it was", async () => {
    const controller = new AbortController();
    bed.before = (now) => {
      if (now === "bring up 1.3.0") controller.abort();
      if (now === "bring up 1.2.0") throw new Error("it crashes");
    };
    const error = await failure(bed.update({}, { signal: controller.signal }));
    expect([error.code, error.message]).toEqual([
      "operation_failed",
      "the update to v1.3.0 was interrupted, and going back to v1.2.0 failed: it crashes",
    ]);
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

  test("brought back first when it was killed on its way back, after the link and before the services", async () => {
    for (const migrates of [false, true]) {
      cutOff({ migrates });
      bed.runs = fresh;
      bed.done.length = 0;
      bed.manifest.latest_stable = "1.2.0";
      expect((await bed.update()).outcome).toBe("current");
      const database = ["stop", `--check-migrations of ${old}`, `--drop-kept-state of ${old}`];
      expect(bed.done).toEqual([...(migrates ? database : []), "adopt 1.2.0", "bring up 1.2.0"]);
      expect(bed.state()).toEqual(only("1.2.0"));
    }
  });

  test("not forgotten before what was installed before it runs again", async () => {
    cutOff();
    bed.before = (now) => {
      if (now === "bring up 1.2.0") throw new Error("it crashes");
    };
    await failure(bed.update());
    expect(bed.state().kept).toEqual(["pending.json"]);
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
      expect(bed.said.splice(0)).toEqual([
        "an update to v1.3.0 was cut off: going on with it",
        ...["starting bangerd", "v1.3.0 is in the place of v1.2.0"],
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

  test.each(["1.2.0", "1.3.0"])(
    "refused while others have something under way, with the link on v%s",
    async (current) => {
      bed.install(current);
      cutOff();
      bed.operations = [{ method: "guest.exec", op: "0badcafe", ms: 1000 }];
      const executable = join(bed.place.versions, old, "banger");
      const error = await failure(bed.update({}, { executable }));
      expect(error).toMatchObject({
        code: "precondition",
        message: "banger is in use: a command in a VM (guest.exec, 0badcafe), for 1 s",
      });
      expect([bed.done, bed.state().kept]).toEqual([[], ["pending.json"]]);
      await bed.update({ force: true }, { executable });
      expect(bed.state()).toEqual(only("1.3.0"));
    },
  );

  test.each(["1.2.0", "1.3.0"])("only told of with --dry-run, with the link on v%s", async (current) => {
    bed.install(current);
    cutOff();
    const executable = join(bed.place.versions, old, "banger");
    expect(await failure(bed.update({ dryRun: true }, { executable }))).toMatchObject({
      code: "precondition",
      message: `an update from v1.2.0 to ${fresh} was cut off, and --dry-run does not go on with it`,
      hint: "banger update first brings that to its end, or takes it back",
    });
    expect([bed.done, bed.asked, bed.state().kept]).toEqual([[], [], ["pending.json"]]);
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
      ...["stop", `--check-migrations of ${old}`, `--drop-kept-state of ${old}`],
      ...["adopt 1.2.0", "bring up 1.2.0"],
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
