/** What layers could cost that are made to cost something: time and memory have an end. */
import { expect, test } from "bun:test";
import { applyEntry } from "../../src/oci/layers/apply.ts";
import type { ListedEntry } from "../../src/oci/layers/listing.ts";
import { Tree } from "../../src/oci/layers/tree.ts";
import { imageLimits } from "../../src/oci/limits.ts";
import { saying } from "../../src/oci/testing/failures.ts";
import type { TarEntryType } from "../../src/tar/tar.ts";

function entry(path: string, type: TarEntryType = "file", link = ""): ListedEntry {
  return {
    ...{ type, path, linkTarget: link, mode: 0o644, uid: 0, gid: 0 },
    ...{ sizeBytes: 0, mtimeS: 0, mtimeNs: 0, attributes: [], content: undefined },
  };
}

function fill(tree: Tree, count: number, make: (n: number) => ListedEntry): void {
  for (let n = 0; n < count; n += 1) applyEntry(tree, make(n), n);
}

test("whiteouts that come again and again cost no more than once", () => {
  const tree = new Tree(imageLimits.entries);
  applyEntry(tree, entry("d/old"), 0);
  for (let layer = 1; layer < 3; layer += 1) {
    tree.nextLayer();
    fill(tree, 50_000, (n) => entry(`d/f${n}`));
    const started = performance.now();
    for (const path of ["d/.wh..wh..opq", ".wh.d", ".wh..wh..opq"]) fill(tree, 50_000, () => entry(path));
    // Each of the 150,000 looking at 50,000 names would take an hour.
    expect(performance.now() - started).toBeLessThan(20_000);
    expect(tree.enter(["d"], undefined)?.size).toBe(50_000);
  }
  tree.nextLayer();
  applyEntry(tree, entry("d/.wh..wh..opq"), 0);
  expect(tree.enter(["d"], undefined)?.size).toBe(0);
});

test("long ways, again and again, are refused", () => {
  const tree = new Tree(imageLimits.entries);
  expect(() => fill(tree, 30_000, (n) => entry(`${"d/".repeat(1000)}${n}`))).toThrow(
    expect.objectContaining(saying("corrupt", /longer way, with those before it, than an image has/)),
  );
});

test("symlinks with more in them than anybody writes are refused", () => {
  const tree = new Tree(imageLimits.entries);
  expect(() => fill(tree, 20_000, (n) => entry(`s${n}`, "symlink", `${n}/${"t/".repeat(2000)}`))).toThrow(
    expect.objectContaining(saying("corrupt", /more bytes of targets of symlinks than an image may have/)),
  );
});
