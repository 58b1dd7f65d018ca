/**
 * `banger update` killed at every change of a name that it makes, and at every sync (native/faults counts them over all
 * threads): at each of them the link leads to a program that runs, the old one or the new one, and what is run next brings
 * the update to its end.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { constants } from "node:os";
import { faultsProgram, faultsUnavailable } from "./faults-fixture.ts";
import { executable, Person, type UpdateBed, updateBed } from "./update-fixture.ts";

const unavailable = faultsUnavailable();
if (unavailable !== undefined) console.error(`left out: ${unavailable}`);

let bed: UpdateBed;
let old: string;
beforeAll(async () => {
  bed = await updateBed();
  old = await executable("1.2.0");
  await bed.release("1.2.0", old, "2026-11-01T10:00:00Z");
  await bed.release("1.3.0", await executable("1.3.0"));
});
afterAll(() => bed.end());

const killed = 128 + constants.signals.SIGKILL;

/** The status that it ends with; `nth` of 0 is never. */
async function updateKilledAt(one: Person, nth: number): Promise<{ status: number; err: string }> {
  const child = Bun.spawn([faultsProgram, `${one.home}/.local`, one.link, ...one.updating()], {
    ...{ cwd: one.home, env: one.env, stdin: "pipe", stdout: "pipe", stderr: "pipe" },
  });
  child.stdin.write(`arm names ${constants.errno.EIO} ${nth} kill\n`);
  child.stdin.flush();
  const err = new Response(child.stderr).text();
  return { status: await child.exited, err: await err };
}

test.skipIf(unavailable !== undefined)(
  "killed anywhere",
  async () => {
    const seen: string[] = [];
    for (let nth = 1; ; nth += 1) {
      const one = new Person(bed, `k${nth}`);
      one.install("1.2.0", old);
      await one.run(["vm", "list"]);
      const { status, err } = await updateKilledAt(one, nth);
      if (status !== killed) {
        expect({ status, version: one.version() }, err).toEqual({ status: 0, version: "v1.3.0" });
        await one.end();
        break;
      }
      const version = one.version() ?? "none";
      seen.push(version);
      expect(["v1.2.0", "v1.3.0"], `${nth}: ${err}`).toContain(version);
      // Nobody who was under the filter may go on.
      one.killAll();
      expect((await one.run(["vm", "list"])).status, `${nth}`).toBe(0);
      const next = await one.update();
      expect({ nth, status: next.status, version: one.version() }, next.err).toMatchObject({
        status: 0,
        version: "v1.3.0",
      });
      expect({ nth, left: one.left(), daemon: (await one.daemon())?.version }).toMatchObject({
        ...{ left: ["1.3.0-0badcafe"], daemon: "1.3.0" },
      });
      await one.end();
    }
    console.log(
      `killed at ${seen.length} points: ${seen.filter((version) => version === "v1.2.0").length} before the link`,
    );
    // Once it is the new one it stays so.
    expect(seen).toEqual([...seen].sort());
  },
  3_000_000,
);
