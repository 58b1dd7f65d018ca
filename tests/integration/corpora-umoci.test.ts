/**
 * umoci's own layer cases (oci/layer/tar_extract_test.go), made anew from what they are, and held against what they demand
 * and what umoci(1) does.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directory, file, hardlink, symlink } from "../../src/oci/testing/flatten.ts";
import type { TarSpec } from "../../src/oci/testing/tar-writer.ts";
import { goModule } from "./corpora-fixture.ts";
import { attemptIn } from "./oci-attempt.ts";
import { shapeOf } from "./oci-tree.ts";

const umoci = {
  ...{ path: "github.com/opencontainers/umoci", version: "v0.6.0" },
  sum: "h1:Dsm4beJpglN5y2E2EUSZZcNey4Ml4+nKepvwLQwgIec=",
};

let dir: string;
let source: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-umoci-"));
  source = readFileSync(join(goModule(umoci), "oci/layer/tar_extract_test.go"), "utf8");
});
afterAll(() => rmSync(dir, { recursive: true }));

/** The names of a table's rows in one of its tests. */
function namesIn(testName: string): string[] {
  const body = source.slice(source.indexOf(`func ${testName}(`));
  const table = body.slice(0, body.indexOf("t.Run("));
  return [...table.matchAll(/^\t\t\{"(\w+)", /gm)].map(([, name]) => name ?? "");
}

const top = directory("./");

describe("names that should lead out", () => {
  const prefixes: Record<string, string> = {
    RootPrefix: "/",
    GarbagePrefix1: "/../",
    GarbagePrefix2: "/../../../../../../../../../../../../../../../",
    GarbagePrefix3: "/./.././.././.././.././.././.././.././.././../",
    DotDotPrefix: "..",
  };

  test("are all here", () => {
    expect(namesIn("TestUnpackEntrySymlinkScoping")).toEqual(Object.keys(prefixes));
    expect(namesIn("TestUnpackEntrySanitiseScoping")).toEqual(["GarbagePrefix", "DotDotPrefix"]);
  });

  for (const [name, prefix] of Object.entries(prefixes)) {
    test(`by a symlink stay in the root: ${name}`, async () => {
      const layers = [[top, symlink("link", prefix)], [file("link/file", "container content")]];
      const { root, ours, theirs } = await attemptIn(dir, layers);
      expect(shapeOf(root ?? expect.unreachable())).toEqual(["file=container content", `link->${prefix}`]);
      expect(ours).toEqual(theirs);
    });
  }

  for (const prefix of ["/..", ".."]) {
    test(`of themselves are refused, where umoci puts them into the root: ${prefix}`, async () => {
      const { error, theirs } = await attemptIn(dir, [[top, file(`${prefix}/file`)]]);
      expect(error).toMatchObject({ code: "corrupt", message: expect.stringContaining("has .. in it") });
      expect(theirs).toHaveLength(2);
      expect(readdirSync(dir)).toEqual([]);
    });
  }
});

test("what is below a file is refused, as by umoci until 0.5; later ones put a directory in its place", async () => {
  const { error, theirs } = await attemptIn(dir, [[top, file("nondir"), file("nondir/foo/bar/baz")]]);
  expect(source).toContain("func TestUnpackEntryNonDirParent(");
  expect(error).toMatchObject({ code: "corrupt", message: expect.stringContaining("which is no directory") });
  expect(theirs).toBeUndefined();
});

test("directories that are left out are made", async () => {
  const { root, ours, theirs } = await attemptIn(dir, [[top, file("a/b/c/file", "creating parentdirs")]]);
  expect(shapeOf(root ?? expect.unreachable())).toEqual([
    "a/",
    "a/b/",
    "a/b/c/",
    "a/b/c/file=creating parentdirs",
  ]);
  expect(ours).toEqual(theirs);
});

describe("whiteouts", () => {
  const cases: Record<string, [path: string, isDirectory: boolean]> = {
    FileInRoot: ["rootpath", false],
    HiddenFileInRoot: [".hiddenroot", false],
    FileInSubdir: ["some/path/file", false],
    HiddenFileInSubdir: ["another/path/.hiddenfile", false],
    DirInRoot: ["rootpath", true],
    HiddenDirInRoot: [".hiddenroot", true],
    DirInSubdir: ["some/path/dir", true],
    HiddenDirInSubdir: ["another/path/.hiddendir", true],
  };

  test("are all here", () => expect(namesIn("TestUnpackEntryWhiteout")).toEqual(Object.keys(cases)));

  for (const [name, [path, isDirectory]] of Object.entries(cases)) {
    test(`take away, and leave the directory's time: ${name}`, async () => {
      const parents = path.split("/").slice(0, -1);
      const above = parents.map((_, n) => directory(`${parents.slice(0, n + 1).join("/")}/`, { mtime: 123 }));
      const there = isDirectory
        ? [
            ...[directory(`${path}/`), file(`${path}/file1`), file(`${path}/file2`)],
            ...[directory(`${path}/.subdir/`), file(`${path}/.subdir/file3`)],
          ]
        : [file(path)];
      const whiteout = file([...parents, `.wh.${path.split("/").at(-1)}`].join("/"), "");
      const { root, ours, theirs } = await attemptIn(dir, [[top, ...above, ...there], [whiteout]]);
      const left = parents.map((_, n) => `${parents.slice(0, n + 1).join("/")}/`);
      expect(shapeOf(root ?? expect.unreachable())).toEqual(left);
      for (const line of root?.lines().slice(1) ?? []) expect(line).toEndWith(" directory 755 0:0 @123");
      expect(ours).toEqual(theirs);
    });
  }
});

describe("opaque whiteouts", () => {
  const shadow = "../../../../../../../../../../../../etc/shadow";
  const one = [
    file("file"),
    symlink("link", ".."),
    symlink("badlink", "./nothing"),
    { path: "fifo", type: "6" },
  ] as const;
  const below = (path: string): TarSpec[] => [
    ...[directory(`${path}/`), file(`${path}/file`), symlink(`${path}/link`, "../badlink")],
    ...[symlink(`${path}/verybadlink`, shadow), symlink(`${path}/verybadlink2`, `/${shadow}`)],
  ];
  const many: TarSpec[] = [
    ...[
      file("level1_file"),
      symlink("level1_link", ".."),
      directory("level1a/"),
      file("level1a/level2_file"),
    ],
    ...[symlink("level1a/level2_link", "../../../"), directory("level1a/level2a/")],
    ...[file("level1a/level2a/level3_fileA"), file("level1a/level2a/level3_fileB")],
    ...[
      directory("level1a/level2b/"),
      file("level1a/level2b/level3_fileA"),
      file("level1a/level2b/level3_fileB"),
    ],
    ...[directory("level1a/level2b/level3/"), directory("level1a/level2b/level3/level4/")],
    ...[directory("level1b/"), file("level1b/level2_fileA"), file("level1b/level2_fileB")],
    ...[directory("level1b/level2/"), file("level1b/level2/level3_file")],
  ];
  /** What is there, which of it the layer with the whiteout brings, and what more that has. */
  const cases: Record<string, [there: readonly TarSpec[], upper: string[], more?: TarSpec[]]> = {
    EmptyDir: [[], []],
    OneLevel: [one, ["link", "badlink"]],
    OneLevelNoUpper: [one, []],
    TwoLevel: [
      [...one.slice(0, 3), ...below("dir")],
      ["file", "dir/", "dir/file", "dir/verybadlink"],
    ],
    TwoLevelNoUpper: [[...one.slice(0, 3), ...below("dir")], []],
    MultiLevel: [
      many,
      [
        ...["level1_file", "level1a/", "level1a/level2_link", "level1a/level2b/"],
        "level1a/level2b/level3_fileA",
      ],
    ],
    MultiLevelNoUpper: [many, []],
    MissingUpperAncestor: [
      [directory("some/"), directory("some/dir/"), file("some/dir/somewhere"), file("another/dir/somewhere")],
      ["some/dir/somewhere"],
    ],
    UpperWhiteout: [
      [file("fileA"), file("fileB"), file("fileC")],
      ["fileA", "fileB"],
      [file(".wh.fileB", ""), file(".wh.fileA", ""), file(".wh.fileC", "")],
    ],
    UpperDirWhiteout: [
      [
        file("file"),
        ...below("dir1"),
        directory("dir2/"),
        file("dir2/file"),
        symlink("dir2/link", "../badlink"),
      ],
      ["dir1/", "dir1/file", "dir1/verybadlink", "dir2/", "dir2/file"],
      [file(".wh.dir2", ""), file(".wh.dir1", "")],
    ],
  };

  test("are all here", () =>
    expect(namesIn("TestUnpackOpaqueWhiteout").sort()).toEqual(Object.keys(cases).sort()));

  for (const [name, [there, upper, more = []]] of Object.entries(cases)) {
    test(`leave what their layer has: ${name}`, async () => {
      const moved = (specs: readonly TarSpec[]) =>
        specs.map((spec) => ({ ...spec, path: `sub/${spec.path}` }));
      const lower = moved(there.filter(({ path }) => !upper.includes(path)));
      const above = [...moved(more), ...moved(there.filter(({ path }) => upper.includes(path)))];
      const layers = [
        [top, directory("sub/"), ...lower],
        [...above, file("sub/.wh..wh..opq", "")],
      ];
      const { root, ours, theirs } = await attemptIn(dir, layers);
      const ways = upper.flatMap((path) =>
        path.split("/").map((_, n, parts) =>
          parts
            .slice(0, n + 1)
            .join("/")
            .replace(/\/$/, ""),
        ),
      );
      const left = ["sub", ...new Set(ways.map((path) => `sub/${path}`))].sort();
      expect(root?.names().sort()).toEqual(left);
      expect(ours).toEqual(theirs);
    });
  }
});

test("owners are kept, of links too: there is no map of users, as for root in the first two of umoci's cases", async () => {
  const table = source.slice(
    source.indexOf("func TestUnpackEntryMap("),
    source.indexOf("func TestIsDirlink("),
  );
  const maps = [...table.matchAll(/^\t\t\t"(\w+)",$/gm)].map(([, name]) => name);
  expect(maps).toEqual(["IdentityRoot", "MapSelfToRoot", "MapOtherToRoot"]);
  const layer = [
    file("regular", "some content we won't check", { uid: 0, gid: 0 }),
    directory(" a directory/", { uid: 13, gid: 42 }),
    { ...symlink("link", "regular"), uid: 23, gid: 22 },
    { ...symlink("link-dir", " a directory"), uid: 99, gid: 88 },
  ];
  const { ours, theirs } = await attemptIn(dir, [[top, ...layer]]);
  const owners = (ours ?? []).map((line) => / (\d+:\d+)/.exec(line)?.[1] ?? line);
  expect(owners.sort()).toEqual(["0:0", "0:0", "13:42", "23:22", "99:88"]);
  expect(ours).toEqual(theirs);
});

test("hard links are of what they name, a symlink too, and bring nothing of their own", async () => {
  const regular = [file("regular", "some content"), hardlink("hard link", "/regular")];
  const own = { uid: 1337, gid: 2020 };
  const layer = [
    ...[
      ...regular.slice(0, 1),
      { ...hardlink("hard link", "/regular"), ...own },
      symlink("link", "../../../regular"),
    ],
    { ...hardlink("hard link to symlink", "/link"), ...own },
  ];
  const { root, ours, theirs } = await attemptIn(dir, [[top, ...layer]]);
  const lines = root?.lines() ?? [];
  expect(lines.filter((line) => line.includes(" 0:0 "))).toEqual(lines);
  expect(root?.names()).toEqual(["hard link", "hard link to symlink", "link", "regular"]);
  expect(lines.filter((line) => line.includes(" = hard link regular"))).toHaveLength(2);
  expect(lines.filter((line) => line.includes(" = hard link to symlink link"))).toHaveLength(2);
  expect(ours).toEqual(theirs);
  const out = await attemptIn(dir, [[top, ...regular, hardlink("other", "../../../regular")]]);
  // umoci's own test has links of this kind, which no builder writes.
  expect(out.error).toMatchObject({ code: "corrupt", message: expect.stringContaining("has .. in it") });
});
