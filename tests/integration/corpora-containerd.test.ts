/** containerd's breakouts: nothing leaves the root, and what is in it is what containerd demands, or refused for a reason. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directory, hardlink, symlink } from "../../src/oci/testing/flatten.ts";
import { type Breakout, breakouts } from "./corpora-containerd-cases.ts";
import { goModule } from "./corpora-fixture.ts";
import { type Attempt, attemptIn } from "./oci-attempt.ts";
import { shapeOf } from "./oci-tree.ts";

const containerd = {
  ...{ path: "github.com/containerd/containerd/v2", version: "v2.4.2" },
  sum: "h1:p6Qg+xbEz8lvwdhHDx0U469xENvp4LgGBx+E7djXkGw=",
};

let dir: string;
let outside: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-breakouts-"));
  outside = mkdtempSync(join(tmpdir(), "banger-outside-"));
});
afterAll(() => {
  for (const each of [dir, outside]) rmSync(each, { recursive: true });
});

const layersOf = ({ lower = [], layer }: Breakout) => [[directory("./"), ...lower], layer];

test("all of them are here", () => {
  const source = readFileSync(join(goModule(containerd), "pkg/archive/tar_test.go"), "utf8");
  const body = source.slice(source.indexOf("func TestBreakouts"), source.indexOf("func TestDiffApply"));
  const names = [...body.matchAll(/\bname: "(\w+)"/g)].map(([, name]) => name ?? "");
  expect(names).toHaveLength(36);
  expect([...Object.keys(breakouts), "HardlinkSymlinkChmod"].sort()).toEqual(names.sort());
});

function expectWanted({ wants, because }: Breakout, shape: string[] | undefined): void {
  if (because !== undefined) return;
  if (wants === "refused") {
    expect(shape).toBeUndefined();
    return;
  }
  for (const line of wants)
    if (line.startsWith("!"))
      expect((shape ?? []).map((each) => each.split(/=|->/)[0])).not.toContain(line.slice(1));
    else expect(shape).toContain(line);
}

describe("containerd's breakout", () => {
  for (const [name, breakout] of Object.entries(breakouts)) {
    test(name, async () => {
      const { root, error, ours, theirs } = await attemptIn(dir, layersOf(breakout));
      const shape = root === undefined ? undefined : shapeOf(root);
      if (breakout.gives instanceof RegExp)
        expect(error).toMatchObject({ code: "corrupt", message: expect.stringMatching(breakout.gives) });
      else expect(shape).toEqual([...breakout.gives].sort());
      expectWanted(breakout, shape);
      if (breakout.because === undefined) expect(ours).toEqual(theirs);
      expect(readdirSync(dir)).toEqual([]);
    });
  }

  test("HardlinkSymlinkChmod changes nothing outside", async () => {
    const [secret, link] = [join(outside, "perm400"), join(outside, "also-exists-outside-root")];
    for (const path of [secret, link]) writeFileSync(path, "...");
    chmodSync(secret, 0o400);
    chmodSync(link, 0o640);
    const before = [secret, link].map((path) => ({ ...statSync(path), atimeMs: 0, atime: 0 }));
    const layer = [symlink(link, secret), hardlink("sketchylink", link)];
    const { root }: Attempt = await attemptIn(dir, [[directory("./"), ...layer]]);
    expect(shapeOf(root ?? expect.unreachable())).toContain(`sketchylink->${secret}`);
    expect([secret, link].map((path) => ({ ...statSync(path), atimeMs: 0, atime: 0 }))).toEqual(before);
    expect(readdirSync(outside).sort()).toEqual(["also-exists-outside-root", "perm400"]);
  });
});
