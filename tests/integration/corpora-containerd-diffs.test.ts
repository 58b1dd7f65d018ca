/**
 * containerd's other cases for layers: changes of a directory (TestUnpack, TestRelativeSymlinks, TestSymlinks, and the suite of
 * continuity by which TestDiffApply goes), made on a disk, packed into layers by umoci(1), and read back by us; and its tars
 * (TestApplyTar, TestTarWithXattr, TestRepeatedOpaqueWhiteout). Names of cases are held against the packages'.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directory, file } from "../../src/oci/testing/flatten.ts";
import { pullForTest } from "../../src/oci/testing/pull.ts";
import { goModule } from "./corpora-fixture.ts";
import { attemptIn } from "./oci-attempt.ts";
import { listTree } from "./oci-tree.ts";

const containerd = {
  ...{ path: "github.com/containerd/containerd/v2", version: "v2.4.2" },
  sum: "h1:p6Qg+xbEz8lvwdhHDx0U469xENvp4LgGBx+E7djXkGw=",
};
const continuity = {
  ...{ path: "github.com/containerd/continuity", version: "v0.5.0" },
  sum: "h1:7a85HZpCSs+1Zps0Ee3DPSuAWY+0SJM1JNM51nlEVDg=",
};

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-diffs-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

type Change = (root: string) => void;
const makeDirectory =
  (path: string, mode: number): Change =>
  (root) => {
    mkdirSync(join(root, path), { recursive: true });
    chmodSync(join(root, path), mode);
  };
const write =
  (path: string, content: string, mode: number): Change =>
  (root) => {
    writeFileSync(join(root, path), content);
    chmodSync(join(root, path), mode);
  };
const link =
  (from: string, to: string): Change =>
  (root) =>
    linkSync(join(root, from), join(root, to));
const point =
  (target: string, path: string): Change =>
  (root) =>
    symlinkSync(target, join(root, path));
const remove =
  (path: string): Change =>
  (root) =>
    rmSync(join(root, path), { recursive: true });
const rename =
  (from: string, to: string): Change =>
  (root) =>
    renameSync(join(root, from), join(root, to));
const mode =
  (path: string, bits: number): Change =>
  (root) =>
    chmodSync(join(root, path), bits);

const base: Change[] = [
  ...[makeDirectory("etc", 0o755), write("etc/hosts", "127.0.0.1 localhost", 0o644)],
  ...[link("etc/hosts", "etc/hosts.allow"), makeDirectory("usr/local/lib", 0o755)],
  write("usr/local/lib/libnothing.so", "\0\0", 0o755),
  point("libnothing.so", "usr/local/lib/libnothing.so.2"),
  ...[makeDirectory("home", 0o755), makeDirectory("home/derek", 0o700)],
];
const hosts = write("etc/hosts", "127.0.0.1 localhost.localdomain", 0o644);
const superbinary = (at: string) => write(at, "\0\0", 0o755);
const below = (path: string, bits: number) => [
  ...["a", "a/b", "a/b/c"].map((each) => makeDirectory(`${path}/${each}`, bits)),
  write(`${path}/a/b/f`, "content1", 0o644),
];

/** Of each layer, what it changes. */
const suite: Record<string, Change[][]> = {
  Basic: [
    base,
    [
      ...[hosts, write("etc/fstab", "/dev/sda1\t/\text4\tdefaults 1 1\n", 0o600)],
      write("etc/badfile", "", 0o666),
      write("home/derek/.zshrc", "#ZSH is just better\n", 0o640),
    ],
    [remove("etc/badfile"), rename("home/derek", "home/notderek")],
    [remove("usr"), remove("etc/hosts.allow")],
    [
      ...[remove("home"), makeDirectory("home/derek", 0o700)],
      write("home/derek/.bashrc", "#not going away\n", 0o640),
      link("etc/hosts", "etc/hosts.allow"),
    ],
  ],
  Deletion: [
    [makeDirectory("test/somedir", 0o755), makeDirectory("lib", 0o700), write("lib/hidden", "", 0o644)],
    [
      ...[write("test/a", "", 0o644), write("test/b", "", 0o644), makeDirectory("test/otherdir", 0o755)],
      ...[write("test/otherdir/.empty", "", 0o644), remove("lib"), makeDirectory("lib", 0o700)],
      write("lib/not-hidden", "", 0o644),
    ],
    [remove("test/a"), remove("test/b"), remove("test/otherdir"), write("lib/newfile", "", 0o644)],
  ],
  Update: [
    [
      ...[makeDirectory("d1", 0o755), makeDirectory("d2", 0o700), write("d1/f1", "something...", 0o644)],
      ...[write("d1/f2", "else...", 0o644), write("d1/f3", "entirely...", 0o644)],
    ],
    [
      ...[write("d1/f1", "file content of a different length", 0o664), remove("d1/f3")],
      ...[write("d1/f3", "updated content", 0o664), mode("d1/f2", 0o766), mode("d2", 0o777)],
    ],
  ],
  DirectoryPermission: [
    [makeDirectory("d1", 0o700), makeDirectory("d2", 0o751), makeDirectory("d3", 0o777)],
    [
      ...[write("d1/f", "irrelevant", 0o644), makeDirectory("d1/d", 0o700)],
      ...["d1/d/f", "d2/f", "d3/f"].map((path) => write(path, "irrelevant", 0o644)),
    ],
  ],
  ParentDirectoryPermission: [
    [
      ...[makeDirectory("d1", 0o700), ...below("d1", 0o700)],
      ...[makeDirectory("d2", 0o751), ...below("d2", 0o751)],
    ],
    [
      ...[write("d1/a/b/f", "content1", 0o644), mode("d1/a/b/c", 0o700)],
      ...[write("d2/a/b/f", "content2", 0o644), mode("d2/a/b/c", 0o751)],
    ],
  ],
  HardlinkUnmodified: [base, [hosts], [link("etc/hosts", "etc/hosts.deny")]],
  HardlinkBeforeUnmodified: [base, [hosts], [link("etc/hosts", "etc/before-hosts")]],
  HardlinkBeforeModified: [
    base,
    [hosts],
    [
      ...[remove("etc/hosts"), write("etc/hosts", "127.0.0.1 localhost", 0o644)],
      link("etc/hosts", "etc/before-hosts"),
    ],
  ],
};

const dirs = [makeDirectory("bin", 0o755), makeDirectory("sbin", 0o755)];
const replaced = [remove("bin/other1"), point("/bin/superbinary", "bin/other1")];
const symlinks: Record<string, Change[][]> = {
  "up and down": [
    [
      ...[...base, point("../other", "home/derek/other"), point("../../etc", "home/derek/etc")],
      point("up/../../other", "home/derek/updown"),
    ],
  ],
  "far out": [[...base, point("../../../breakout", "home/derek/breakout")]],
  "out of the root": [[...base, point("../../breakout", "breakout")]],
  "up and out": [[...base, point("etc/../../upandout", "breakout")]],
  "down and out": [[...base, point("derek/../../../downandout", "home/breakout")]],
  absolute: [[...base, point("/etc", "localetc")]],
  "of one directory": [
    [...dirs.slice(0, 1), superbinary("bin/superbinary"), point("../bin/superbinary", "bin/other1")],
    [...replaced, point("../bin/superbinary", "bin/other2"), point("superbinary", "bin/other3")],
  ],
  ...Object.fromEntries(
    ["/sbin/superbinary", "../sbin/superbinary"].map((target) => [
      `to a symlink to ${target}`,
      [
        [
          ...[...dirs, superbinary("sbin/superbinary"), point(target, "bin/superbinary")],
          point("../bin/superbinary", "bin/other1"),
        ],
        [...replaced, point("superbinary", "bin/other2")],
      ],
    ]),
  ),
  "to a symlink beside": [
    [
      ...[...dirs.slice(0, 1), superbinary("bin/actualbinary"), point("actualbinary", "bin/superbinary")],
      ...[point("../bin/superbinary", "bin/other1"), point("superbinary", "bin/other2")],
    ],
    [...replaced, remove("bin/other2"), point("superbinary", "bin/other2")],
  ],
  "that become a directory": [
    [...dirs.slice(0, 1), superbinary("bin/actualbinary"), point("actualbinary", "bin/myapp")],
    [remove("bin/myapp"), makeDirectory("bin/myapp", 0o755)],
  ],
};

function umoci(...args: string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["umoci", ...args], { cwd: dir });
  expect(exitCode, stderr.toString()).toBe(0);
}

/** After each layer, the root is the directory that was packed. */
async function expectSame(layers: readonly Change[][]): Promise<void> {
  umoci("init", "--layout", "layout");
  umoci("new", "--image", "layout:t");
  umoci("unpack", "--image", "layout:t", "bundle");
  const rootfs = join(dir, "bundle/rootfs");
  for (const changes of layers) {
    for (const change of changes) change(rootfs);
    toSeconds(rootfs);
    umoci("repack", "--refresh-bundle", "--image", "layout:t", "bundle");
    const { root } = await pullForTest(`oci:${dir}/layout:t`, { cache: join(dir, "cache") });
    expect(root.lines()).toEqual(listTree(rootfs));
  }
  for (const name of ["layout", "bundle", "cache"]) rmSync(join(dir, name), { recursive: true });
}

/** Go's writer of tars rounds times to seconds, up too. */
function toSeconds(root: string): void {
  const names = readdirSync(root, { recursive: true, encoding: "utf8" });
  for (const path of ["", ...names].map((name) => join(root, name))) {
    const { mtimeNs } = lstatSync(path, { bigint: true });
    const seconds = Number(mtimeNs / 1_000_000_000n);
    if (mtimeNs % 1_000_000_000n !== 0n) lutimesSync(path, seconds, seconds);
  }
}

test("all of them are here", () => {
  const source = readFileSync(join(goModule(continuity), "fs/fstest/testsuite.go"), "utf8");
  const names = [...source.matchAll(/t\.Run\("(\w+)", makeTest/g)].map(([, name]) => name ?? "");
  expect(Object.keys(suite)).toEqual(names);
  const tests = readFileSync(join(goModule(containerd), "pkg/archive/tar_test.go"), "utf8");
  // TestBreakouts is in a file of its own; the others test what writes layers.
  expect([...tests.matchAll(/^func (Test\w+)/gm)].map(([, name]) => name)).toEqual([
    ...["TestUnpack", "TestBaseDiff", "TestRelativeSymlinks", "TestSymlinks", "TestTarWithXattr"],
    ...["TestBreakouts", "TestDiffApply", "TestApplyTar", "TestDiffTar", "TestSourceDateEpoch"],
    "TestRepeatedOpaqueWhiteout",
  ]);
});

describe("changes of a directory come back as they were:", () => {
  for (const [name, layers] of Object.entries(suite)) test(name, () => expectSame(layers));
  for (const [name, layers] of Object.entries(symlinks)) test(`symlinks ${name}`, () => expectSame(layers));
});

test("directories are made, with those above them that no layer has", async () => {
  const paths = [
    "/etc/subdir",
    "/etc/subdir2/",
    "/etc/subdir2/more",
    "/other/noparent-1/1",
    "/other/noparent-2/2/",
  ];
  const { root, ours, theirs } = await attemptIn(dir, [
    [directory("./"), directory("/etc/")],
    paths.map((path) => directory(path)),
  ]);
  expect(root?.names()).toEqual([
    ...["etc", "etc/subdir", "etc/subdir2", "etc/subdir2/more", "other", "other/noparent-1"],
    ...["other/noparent-1/1", "other/noparent-2", "other/noparent-2/2"],
  ]);
  expect(ours).toEqual(theirs);
});

test("extended attributes are kept, but for a label of the builder's own policy", async () => {
  const of = (key: string, value: string) => file("/file", "", { pax: { [`SCHILY.xattr.${key}`]: value } });
  const { ours, theirs } = await attemptIn(dir, [[directory("./"), of("user.key", "value")]]);
  expect(ours).toEqual(theirs);
  expect(ours?.[1]).toContain(` user.key=${Buffer.from("value").toString("hex")}`);
  const label = of("security.selinux", "unconfined_u:object_r:default_t:s0\0");
  const { root } = await attemptIn(dir, [[directory("./"), label]]);
  expect(root?.lines()[1]).not.toContain("selinux");
});

test("opaque whiteouts among a layer's files take away what is below, and none of them", async () => {
  const names = Array.from({ length: 500 }, (_, n) => `f${String(n).padStart(4, "0")}`);
  const { root, ours, theirs } = await attemptIn(dir, [
    [directory("./"), file("oldfile", "lower")],
    names.flatMap((name) => [file(name, "x"), file(".wh..wh..opq", "", { mode: 0o600 })]),
  ]);
  expect(root?.names()).toEqual(names);
  expect(ours).toEqual(theirs);
});
