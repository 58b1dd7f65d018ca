/** The file system of an imported image beside the one that `umoci unpack` and `mke2fs -d` make: both read by the kernel. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { directory, file, hardlink, symlink } from "../../src/oci/testing/flatten.ts";
import { buildImage, writeLayout } from "../../src/oci/testing/image-builder.ts";
import { type TarSpec, tar } from "../../src/oci/testing/tar-writer.ts";
import { complaints, mounted, mountMissing } from "./ext4-fixture.ts";
import { timeless } from "./oci-attempt.ts";
import { generatedLayers } from "./oci-generated.ts";
import { type OciBed, ociBed } from "./oci-registry.ts";
import { listTree } from "./oci-tree.ts";

let bed: OciBed;
beforeAll(async () => {
  bed = await ociBed();
});
afterAll(() => bed.end());

function ran(...command: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(command, { cwd: bed.dir });
  expect(exitCode, stderr.toString()).toBe(0);
}

const read = (image: string) => mounted(image, (root) => listTree(root, { counts: true }));

/** The image as banger imports it, as umoci unpacks it, and as mke2fs makes a file system of that. */
function made(layers: readonly (readonly TarSpec[])[]): { ours: string[]; tree: string[]; byHand: string[] } {
  writeLayout(join(bed.dir, "layout"), buildImage(layers.map(tar)));
  const pulled = bed.banger("image", "pull", "oci:layout:t", "--name", "one");
  expect(pulled.status, pulled.err).toBe(0);
  const rootfs = join(JSON.parse(bed.banger("image", "show", "one").out).path, "rootfs.ext4");
  expect(complaints(rootfs)).toBe("");
  const ours = read(rootfs);
  ran("umoci", "unpack", "--image", "layout:t", "bundle");
  ran("mke2fs", "-q", "-t", "ext4", "-d", "bundle/rootfs", "by-hand.ext4", "256M");
  const byHand = read(join(bed.dir, "by-hand.ext4"));
  const tree = listTree(join(bed.dir, "bundle/rootfs"));
  expect(bed.banger("image", "delete", "one").status).toBe(0);
  for (const name of ["layout", "bundle", "by-hand.ext4", "by-hand.ext4.mounted"])
    rmSync(join(bed.dir, name), { recursive: true, force: true });
  return { ours, tree, byHand };
}

const whole = (lines: string[]) => lines.filter((line) => !line.startsWith("/lost+found "));
const withoutCounts = (lines: string[]) =>
  whole(lines).map((line) => line.replace(/ (directory|file|symlink)\(\d+\) /s, " $1 "));
/** mke2fs (1.47.0) copies seconds, and of the root nothing but what is in it. */
const inSeconds = (lines: string[]) =>
  whole(lines).map((line) => line.replace(/( @\d+)\.\d{9}/, "$1").replace(/^(\/ directory\(\d+\)).*/s, "$1"));

const at = (mtime: string) => ({ pax: { mtime } });
const image: TarSpec[][] = [
  [
    directory("./", at("900000000.000000001")),
    directory("d/", { mode: 0o1777, uid: 1000, gid: 1001, ...at("1234567890.123456789") }),
    ...["a", "b", "c"].map((name) => directory(`d/${name}/`, at("1000000001.5"))),
    file("d/a/file", Buffer.alloc(300_000, 7), { mode: 0o4755, ...at("1700000000.999999999") }),
    hardlink("d/b/file", "d/a/file"),
    symlink("d/link", "a/file"),
    file("caf\xe9", "bytes", { pax: { "SCHILY.xattr.user.note": "a\nb=c\0\xff", mtime: "1.000000001" } }),
  ],
  [
    directory("e/", { mode: 0o2770, uid: 70_000, gid: 3, ...at("1600000000.25") }),
    hardlink("e/third", "d/a/file"),
    directory("d/", { mode: 0o700, uid: 5, ...at("1234567891.1") }),
  ],
];

test.if(mountMissing === undefined)(
  "names, owners, modes, attributes, link counts, times and content",
  () => {
    const { ours, tree, byHand } = made(image);
    expect(withoutCounts(ours)).toEqual(tree);
    expect(inSeconds(ours)).toEqual(inSeconds(byHand));
    expect(ours.find((line) => line.startsWith("/d "))).toContain(
      "/d directory(5) 700 5:0 @1234567891.100000000",
    );
    expect(ours.find((line) => line.startsWith("/e/third "))).toContain("/e/third file(3) 4755 ");
  },
);

test.if(mountMissing === undefined)("what mke2fs does not copy is as umoci has it", () => {
  const top = directory("./", at("900000000"));
  const link = [symlink("link", "x"), hardlink("same", "link")];
  const { ours, tree } = made([[top, ...link, file("late", "after 2038", at("4000000000.75"))]]);
  expect(withoutCounts(ours)).toEqual(tree);
});

const seeds = process.env.BANGER_CORPORA === "all" ? 100 : 10;

test.if(mountMissing === undefined)(`the same of generated images: ${seeds} of them`, () => {
  // Every fourth is refused by both, as a rule.
  for (let seed = 1; seed <= seeds; seed += 1) {
    if (seed % 4 === 0) continue;
    const { ours, tree, byHand } = made(generatedLayers(seed));
    expect(timeless(withoutCounts(ours)), `seed ${seed}`).toEqual(timeless(tree));
    expect(timeless(inSeconds(ours)), `seed ${seed}`).toEqual(timeless(inSeconds(byHand)));
  }
});
