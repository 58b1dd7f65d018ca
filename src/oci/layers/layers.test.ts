import { describe, expect, test } from "bun:test";
import { failure, saying } from "../testing/failures.ts";
import { directory, file, hardlink, of, symlink } from "../testing/flatten.ts";
import type { TarSpec } from "../testing/tar-writer.ts";

describe("whiteouts", () => {
  test("mean lower layers alone, in whatever order a layer has them", async () => {
    const lower = [
      directory("d/"),
      file("d/old"),
      directory("d/sub/"),
      file("d/sub/old"),
      file("f", "lower"),
    ];
    const upper = [directory("d/", { mode: 0o711 }), file("d/new"), file("f", "upper")];
    const marks = [file(".wh.d", ""), file(".wh.f", "")];
    for (const layer of [
      [...marks, ...upper],
      [...upper, ...marks],
    ]) {
      const { root } = await of(lower, layer);
      expect(root.names()).toEqual(["d", "d/new", "f"]);
      expect(root.text("f")).toBe("upper");
      expect(root.lines()[1]).toStartWith("/d directory 711");
    }
  });

  test("of a directory that is only the way to something new leave the way, without what it was", async () => {
    const lower = [directory("d/", { mode: 0o700, uid: 7 }), file("d/old")];
    for (const layer of [
      [file(".wh.d", ""), file("d/new")],
      [file("d/new"), file(".wh.d", "")],
    ]) {
      const { root } = await of(lower, layer);
      expect(root.names()).toEqual(["d", "d/new"]);
      expect(root.lines()[1]).toStartWith("/d directory 755 0:0");
    }
  });

  test("that are opaque hide all that lower layers have there, nested too", async () => {
    const lower = [directory("d/"), directory("d/e/"), file("d/e/old"), file("d/old")];
    const upper = [directory("d/"), directory("d/e/"), file("d/e/new")];
    const mark = file("d/.wh..wh..opq", "");
    for (const layer of [
      [...upper, mark],
      [mark, ...upper],
    ])
      expect((await of(lower, layer)).root.names()).toEqual(["d", "d/e", "d/e/new"]);
    expect((await of(lower, [file(".wh..wh..opq", "")])).root.names()).toEqual([]);
  });

  test("of what cannot be there take nothing away", async () => {
    const { root } = await of(
      [file("f"), symlink("s", "f")],
      [file("f/.wh.x", ""), file("s/d/.wh.x", ""), file("no/.wh..wh..opq", "")],
    );
    expect(root.names()).toEqual(["f", "s"]);
  });

  test("that are AUFS's own mean nothing, and are no files", async () => {
    const { root } = await of([
      file("a"),
      file(".wh..wh.plnk", ""),
      directory(".wh..wh.orph/"),
      file(".wh..wh.aufs", ""),
    ]);
    expect(root.names()).toEqual(["a"]);
  });

  test.each([".wh.", ".wh..", ".wh...", "d/.wh...", "d/.wh."])("called %p are refused", async (path) => {
    expect(await failure(of([directory("d/")], [file(path, "")]))).toMatchObject(
      saying("corrupt", /takes away a directory by its own name, or its parent/),
    );
  });
});

describe("names", () => {
  test("never lead out of the root, whatever symlinks are in the way", async () => {
    const { root } = await of([
      directory("d/"),
      symlink("d/up", "../../../.."),
      symlink("abs", "/../../etc"),
      symlink("self", "."),
      file("d/up/x"),
      file("abs/y"),
      file("self/self/self/z"),
    ]);
    expect(root.names()).toEqual(["abs", "d", "d/up", "etc", "etc/y", "self", "x", "z"]);
  });

  test.each(["../x", "a/../../x", "/../x", "d/..", ".."])("with .. in them are refused: %p", async (path) => {
    expect(await failure(of([directory("d/"), file(path)]))).toMatchObject(
      saying("corrupt", /has \.\. in it/),
    );
    expect(await failure(of([file("x"), hardlink("y", path)]))).toMatchObject(
      saying("corrupt", /has \.\. in it/),
    );
  });

  test.each([
    ["through a file", [file("f"), file("f/x")], /leads through "f", which is no directory/],
    ["in a circle of symlinks", [symlink("a", "b"), symlink("b", "a"), file("a/x")], /too many symlinks/],
    ["through a symlink to itself", [symlink("a", "a/a"), file("a/x")], /too many (symlinks|directories)/],
    [
      "by ways that only cost time",
      [
        ...Array.from({ length: 4 }, (_, n) => symlink(`s${n}`, `${"./".repeat(2030)}s${n + 1}`)),
        ...Array.from({ length: 40_000 }, () => file("s0/f")),
        file(`${"s0/".repeat(300)}f`),
      ],
      /too many/,
    ],
    ["longer than any file system has them", [file("n".repeat(256))], /longer than 255 bytes/],
    ["deeper than anybody goes", [file(`${"d/".repeat(1500)}x`)], /directories deep/],
    ["to be the root, but no directory", [{ path: "./", type: "2", link: "x" } as TarSpec], /is the root/],
    ["to a hard link's file that is not there", [hardlink("a", "b")], /hard link to "b", which is not there/],
    ["to a hard link's directory", [directory("d/"), hardlink("a", "d")], /which is a directory/],
    [
      "to a hard link's file in the directory that it takes the place of",
      [directory("d/"), directory("d/e/"), file("d/e/f"), hardlink("d", "d/e/f")],
      /in what it takes the place of/,
    ],
    ["to be a hard link to themselves", [file("x"), hardlink("x", "x")], /is a hard link to itself/],
    [
      "to be a hard link to themselves by another way",
      [directory("d/"), symlink("e", "d"), file("d/f"), hardlink("e/f", "d/f")],
      /is a hard link to itself/,
    ],
    ["to a hard link's root", [hardlink("a", "/")], /which is a directory/],
  ] as [string, TarSpec[], RegExp][])("%s are refused", async (_, layer, message) => {
    expect(await failure(of(layer))).toMatchObject(saying("corrupt", message));
  });

  test("that a layer leaves the parents of out have them as everywhere", async () => {
    const { root } = await of([file("a/b/c")]);
    expect(root.lines().slice(1, 3)).toEqual([
      "/a directory 755 0:0 @1000000000",
      "/a/b directory 755 0:0 @1000000000",
    ]);
  });
});

describe("what is left out", () => {
  test("are devices and FIFOs, which are counted, and still hide what was there", async () => {
    const { root, totals } = await of(
      [file("null"), file("other")],
      [
        { path: "null", type: "3" },
        { path: "sda", type: "4" },
        { path: "pipe", type: "6" },
        hardlink("alias", "null"),
      ],
    );
    expect(root.names()).toEqual(["other"]);
    expect(totals.specials).toBe(4);
  });

  test("are attributes that no guest has a use for", async () => {
    const pax = {
      "SCHILY.xattr.user.kept": "1",
      "SCHILY.xattr.security.selinux": "system_u:object_r:x",
      "SCHILY.xattr.com.apple.quarantine": "1",
      "SCHILY.xattr.trusted.overlay.opaque": "y",
    };
    const { root } = await of([{ path: "a", pax }]);
    expect(root.lines()[1]).toContain(" trusted.overlay.opaque=79 user.kept=31 0 ");
  });
});

describe("totals", () => {
  test("say what there will be, before anything is written", async () => {
    const { totals } = await of([
      directory("d/"),
      file("d/a", "x".repeat(5000)),
      hardlink("d/b", "d/a"),
      symlink("s", "d"),
      symlink("long", "x/".repeat(50)),
    ]);
    expect(totals).toMatchObject({ directories: 2, files: 1, hardLinks: 1, symlinks: 2, specials: 0 });
    expect(totals).toMatchObject({ contentBytes: 5000, blockBytes: 4096 * 5 });
  });
});

test("only what is left of lower layers is written, once", async () => {
  const { root } = await of(
    [file("a", "1"), file("b", "1"), file("c", "1")],
    [file("a", "2"), hardlink("b2", "b")],
    [file("a", "3"), file(".wh.c", ""), file(".wh.b", "")],
  );
  expect(root.names()).toEqual(["a", "b2"]);
  expect([root.text("a"), root.text("b2")]).toEqual(["3", "1"]);
});
