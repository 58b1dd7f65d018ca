/** Layers laid over each other as umoci lays them: one root, whichever of the two unpacks it. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { directory, file, hardlink, symlink } from "../../src/oci/testing/flatten.ts";
import { buildImage, type Packing, writeLayout } from "../../src/oci/testing/image-builder.ts";
import { pullForTest } from "../../src/oci/testing/pull.ts";
import { type TarSpec, tar } from "../../src/oci/testing/tar-writer.ts";
import { attemptIn } from "./oci-attempt.ts";
import { generatedLayers } from "./oci-generated.ts";
import { listTree } from "./oci-tree.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-oci-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const layout = () => join(dir, "layout");

const attempt = (layers: readonly (readonly TarSpec[])[]) => attemptIn(dir, layers);

async function both(layers: readonly (readonly TarSpec[])[], packing: Packing = "gzip") {
  writeLayout(layout(), buildImage(layers.map(tar), packing));
  const { root } = await pullForTest(`oci:${layout()}:t`, { cache: join(dir, "cache") });
  const bundle = join(dir, "bundle");
  const run = Bun.spawnSync(["umoci", "unpack", "--image", `${layout()}:t`, bundle]);
  expect(run.exitCode, run.stderr.toString()).toBe(0);
  return { ours: root.lines(), theirs: listTree(join(bundle, "rootfs")) };
}

const top: TarSpec = { path: "./", type: "5", mode: 0o755, mtime: 900_000_000 };
describe("the root of an image is umoci's, of", () => {
  const cases: Record<string, TarSpec[][]> = {
    "owners, modes, set-id bits and times": [
      [
        top,
        directory("d/", { mode: 0o1777, uid: 1000, gid: 1001, mtime: 1_234_567_890 }),
        file("d/suid", "x", { mode: 0o4755, uid: 0, gid: 50 }),
        file("d/sgid", "x", { mode: 0o2755, uid: 70_000, gid: 70_001 }),
        file("d/none", "", { mode: 0 }),
        directory("e/", { mode: 0o2770, uid: 3, gid: 4 }),
      ],
    ],
    "extended attributes": [
      [
        top,
        file("ping", "x", {
          pax: { "SCHILY.xattr.security.capability": "\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0" },
        }),
        directory("d/", { pax: { "SCHILY.xattr.user.note": "a\nb=c\0\xff" } }),
      ],
    ],
    "names that are no text": [
      [
        top,
        file("caf\xe9"),
        file("\xff\xfe\x01"),
        directory("d\xc3/"),
        file("d\xc3/a b\n\t"),
        symlink("l", "\xff/x"),
      ],
    ],
    "long names and links": [
      [
        top,
        directory(`${"a".repeat(200)}/`),
        file(`${"a".repeat(200)}/${"b".repeat(255)}`),
        symlink("long", "t/".repeat(500)),
        hardlink("hard", `${"a".repeat(200)}/${"b".repeat(255)}`),
      ],
    ],
    "an upper file over a lower one": [[top, file("a", "lower"), file("b")], [file("a", "upper")]],
    "an upper directory over a lower one, whose content stays": [
      [top, directory("d/", { mode: 0o755 }), file("d/a"), file("d/b")],
      [directory("d/", { mode: 0o700, uid: 5 }), file("d/c")],
    ],
    "a file over a directory, and a directory over a file": [
      [top, directory("d/"), file("d/x"), file("f")],
      [file("d", "now a file"), directory("f/"), file("f/x")],
    ],
    "a directory over a symlink to one": [
      [top, directory("usr/"), directory("usr/lib/"), file("usr/lib/x"), symlink("lib", "usr/lib")],
      [directory("lib/"), file("lib/y")],
    ],
    "a symlink over a directory": [
      [top, directory("bin/"), file("bin/x"), directory("usr/")],
      [symlink("bin", "usr")],
    ],
    whiteouts: [
      [top, directory("d/"), file("d/a"), file("d/b"), directory("d/e/"), file("d/e/f"), file("g")],
      [file(".wh.g", ""), file("d/.wh.a", ""), file("d/.wh.e", "")],
    ],
    "whiteouts of what is not there": [
      [top, file("a")],
      [file(".wh.nothing", ""), file("no/such/.wh.x", "")],
    ],
    "a whiteout, and the same name again": [
      [top, directory("d/"), file("d/a"), file("f", "lower")],
      [
        file(".wh.d", ""),
        directory("d/", { mode: 0o700 }),
        file("d/new"),
        file(".wh.f", ""),
        file("f", "upper"),
      ],
    ],
    "an opaque directory": [
      [top, directory("d/"), file("d/a"), directory("d/e/"), file("d/e/f"), file("g")],
      [directory("d/", { mode: 0o711 }), file("d/.wh..wh..opq", ""), file("d/new")],
    ],
    "an opaque directory, said after what is in it": [
      [top, directory("d/"), file("d/a"), directory("d/e/"), file("d/e/f")],
      [directory("d/"), file("d/new"), file("d/.wh..wh..opq", "")],
    ],
    "a file that comes back two layers later": [
      [top, file("a", "one")],
      [file(".wh.a", "")],
      [file("a", "three")],
    ],
    "hard links within a layer": [
      [top, file("a", "x"), hardlink("b", "a"), hardlink("c", "b"), hardlink("d", "./a")],
    ],
    "hard links to lower layers": [
      [top, directory("d/"), file("d/a", "x")],
      [directory("e/"), hardlink("e/b", "d/a"), hardlink("e/c", "/d/a")],
    ],
    "a hard link in place of a directory with another link to the file": [
      [top, file("a", "x"), directory("d/"), hardlink("d/b", "a")],
      [hardlink("d", "a")],
    ],
    "a hard link to a symlink": [[top, file("a"), symlink("s", "a"), hardlink("h", "s")]],
    "a hard link whose file is replaced later": [
      [top, file("a", "first"), hardlink("b", "a")],
      [file("a", "second")],
    ],
    "a hard link whose file is taken away later": [
      [top, file("a", "x"), hardlink("b", "a")],
      [file(".wh.a", "")],
    ],
    "names through a symlink inside": [
      [top, directory("usr/"), directory("usr/lib/"), symlink("lib", "usr/lib")],
      [file("lib/x"), directory("lib/sub/"), file("lib/sub/y")],
    ],
    "names through an absolute symlink": [
      [top, directory("usr/"), directory("usr/lib/"), symlink("lib", "/usr/lib")],
      [file("lib/x"), hardlink("y", "lib/x")],
    ],
    "names through symlinks that climb out": [
      [top, directory("d/"), symlink("d/up", "../../../.."), symlink("abs", "/../..")],
      [file("d/up/x"), file("abs/y")],
    ],
    "a whiteout through a symlink": [
      [top, directory("usr/"), directory("usr/lib/"), file("usr/lib/x"), symlink("lib", "usr/lib")],
      [file("lib/.wh.x", "")],
    ],
    "absolute names": [[top, directory("/d/"), file("/d/a"), file("/b"), file("//c")]],
    "the root's own metadata": [
      [directory("./", { mode: 0o751, uid: 7, gid: 8, mtime: 1_111_111_111 }), file("a")],
    ],
    "a name twice in one layer": [
      [top, file("a", "one"), file("a", "two"), directory("d/"), directory("d/", { mode: 0o700 })],
    ],
    "devices and FIFOs": [
      [
        top,
        directory("dev/"),
        { path: "dev/null", type: "3" },
        { path: "dev/sda", type: "4" },
        { path: "pipe", type: "6" },
      ],
    ],
  };
  for (const [name, layers] of Object.entries(cases)) {
    test(name, async () => {
      const { ours, theirs } = await both(layers);
      expect(ours).toEqual(theirs);
    });
  }
});

/** Seeds of images: the same ones in every run. BANGER_CORPORA=all takes a thousand. */
const seeds = process.env.BANGER_CORPORA === "all" ? 1000 : 40;

test(`generated images are umoci's, or refused by both: ${seeds} of them`, async () => {
  let unpacked = 0;
  for (let seed = 1; seed <= seeds; seed += 1) {
    const { ours, theirs } = await attempt(generatedLayers(seed));
    expect(ours, `seed ${seed}`).toEqual(theirs);
    if (ours !== undefined) unpacked += 1;
  }
  expect(unpacked).toBeGreaterThan(seeds * 0.6);
});

/** Of three names and three levels, so that they meet often. Whiteouts first, as umoci needs them. */
const anyPath = fc
  .array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.join("/"));
const anyMode = fc.integer({ min: 0, max: 0o777 });
const anyWhiteout = fc.tuple(anyPath, fc.boolean()).map(([path, opaque]) => {
  const parts = path.split("/");
  const name = parts.pop();
  return file([...parts, opaque ? ".wh..wh..opq" : `.wh.${name}`].join("/"), "");
});
const anyEntry = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .tuple(anyPath, anyMode, fc.string())
      .map(([path, mode, content]) => file(path, content, { mode })),
  },
  { weight: 3, arbitrary: fc.tuple(anyPath, anyMode).map(([path, mode]) => directory(`${path}/`, { mode })) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(anyPath, fc.constantFrom("a", "b/c", "/a", "..", "../b", "/", "../../../c"))
      .map(([path, target]) => symlink(path, target)),
  },
  { weight: 1, arbitrary: fc.tuple(anyPath, anyPath).map(([path, target]) => hardlink(path, target)) },
);
const anyLayer = fc
  .tuple(fc.array(anyWhiteout, { maxLength: 2 }), fc.array(anyEntry, { minLength: 1, maxLength: 6 }))
  .map(([whiteouts, entries]) => [...whiteouts, ...entries]);

test("what is a hard link to itself is refused by both", async () => {
  for (const layers of [
    [[top, file("b", "x"), hardlink("b", "b")]],
    [[top, symlink("b", "a")], [hardlink("b", "b")]],
    [[top, directory("d/"), symlink("e", "d"), file("d/f", "x"), hardlink("e/f", "d/f")]],
  ])
    expect(await attempt(layers)).toMatchObject({ ours: undefined, theirs: undefined });
});

test("whatever layers have in them, umoci makes the same of them or refuses them too", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyEntry, { minLength: 1, maxLength: 6 }),
      fc.array(anyLayer, { maxLength: 3 }),
      async (first, more) => {
        const { ours, theirs } = await attempt([[top, ...first], ...more]);
        expect(ours).toEqual(theirs);
      },
    ),
    { numRuns: 60 },
  );
});
