/**
 * The breakouts of containerd's pkg/archive/tar_test.go, made anew from what they are: for each, what is in the layer, what
 * containerd demands of the result, and what ours is. The test holds the names against the package's.
 */
import { directory, file, hardlink, symlink } from "../../src/oci/testing/flatten.ts";
import type { TarSpec } from "../../src/oci/testing/tar-writer.ts";

/**
 * Lines of a root: `d/` is a directory, `f=text` a file, `s->t` a symlink, `a==b` says that two names are one file, in
 * the order of names; `!x` that there is no x.
 */
export type Lines = string[];

export interface Breakout {
  /** What is there before, as a layer of its own. */
  lower?: TarSpec[];
  layer: TarSpec[];
  /** What containerd's test demands. */
  wants: Lines | "refused";
  /** All that is in our root; or by which words we refuse it. */
  gives: Lines | RegExp;
  /** Where we do otherwise than containerd, why. */
  because?: string;
}

const etc = directory("etc/", { mode: 0o770 });
const passwd = file("/etc/passwd", "inside");
const base = [directory("etc/"), file("etc/passwd", "inside")];
const users = [directory("etc/"), file("etc/passwd", "all users")];
const unbroken: Lines = ["etc/unbroken=unbroken"];
const dots = "no builder writes .. into a name, and unpackers differ in what they make of it";
const inside: Lines = ["etc/", "etc/passwd=inside"];

export const breakouts: Record<string, Breakout> = {
  SymlinkAbsolute: {
    layer: [directory("etc/"), symlink("localetc", "/etc"), file("/localetc/unbroken", "unbroken")],
    wants: unbroken,
    gives: ["etc/", ...unbroken, "localetc->/etc"],
  },
  SymlinkUpAndOut: {
    layer: [
      ...[directory("etc/"), directory("dummy/"), symlink("localetc", "/dummy/../etc")],
      file("/localetc/unbroken", "unbroken"),
    ],
    wants: unbroken,
    gives: ["dummy/", "etc/", ...unbroken, "localetc->/dummy/../etc"],
  },
  SymlinkMultipleAbsolute: {
    layer: [
      ...[directory("etc/"), directory("dummy/"), symlink("/dummy/etc", "/etc")],
      ...[symlink("localetc", "/dummy/etc"), file("/dummy/etc/unbroken", "unbroken")],
    ],
    wants: unbroken,
    gives: ["dummy/", "dummy/etc->/etc", "etc/", ...unbroken, "localetc->/dummy/etc"],
  },
  SymlinkMultipleRelative: {
    layer: [
      ...[directory("etc/"), directory("dummy/"), symlink("/dummy/etc", "/etc")],
      ...[symlink("localetc", "./dummy/etc"), file("/dummy/etc/unbroken", "unbroken")],
    ],
    wants: unbroken,
    gives: ["dummy/", "dummy/etc->/etc", "etc/", ...unbroken, "localetc->./dummy/etc"],
  },
  SymlinkEmptyFile: {
    layer: [
      ...[directory("etc/"), file("etc/emptied", "notempty"), symlink("localetc", "/etc")],
      file("/localetc/emptied", ""),
    ],
    wants: ["etc/emptied="],
    gives: ["etc/", "etc/emptied=", "localetc->/etc"],
  },
  ...Object.fromEntries(
    (
      [
        ["HardlinkRelative", "../../etc", []],
        ["HardlinkDownAndOut", "../downandout/../../etc", ["downandout"]],
      ] as const
    ).map(([name, target, more]) => [
      name,
      {
        layer: [
          ...[etc, passwd, directory("breakouts/"), ...more.map((each) => directory(`${each}/`))],
          ...[symlink("breakouts/d1", target), hardlink("breakouts/mypasswd", "/breakouts/d1/passwd")],
        ],
        wants: ["breakouts/mypasswd==etc/passwd"],
        gives: [
          ...["breakouts/", `breakouts/d1->${target}`, "breakouts/mypasswd=inside"],
          ...["breakouts/mypasswd==etc/passwd", ...more.map((each) => `${each}/`), ...inside],
        ],
      },
    ]),
  ),
  ...Object.fromEntries(
    [
      ["HardlinkAbsolute", "/etc"],
      ["HardlinkRelativeLong", "../../../../../../../etc"],
    ].map(([name, target = ""]) => [
      name,
      {
        layer: [etc, passwd, symlink("localetc", target), hardlink("localpasswd", "/localetc/passwd")],
        wants: ["etc/passwd==localpasswd"],
        gives: [...inside, "etc/passwd==localpasswd", `localetc->${target}`, "localpasswd=inside"],
      },
    ]),
  ),
  HardlinkRelativeUpAndOut: {
    layer: [
      ...[etc, passwd, symlink("localetc", "upandout/../../../etc")],
      hardlink("localpasswd", "/localetc/passwd"),
    ],
    wants: ["etc/passwd==localpasswd"],
    gives: /hard link to "\/localetc\/passwd", which is not there/,
    because: "upandout is not there to be left by ..: the kernel, in a chroot, would not find it either",
  },
  HardlinkDirectRelative: {
    layer: [etc, passwd, hardlink("localpasswd", "../../../../../etc/passwd")],
    wants: ["etc/passwd==localpasswd"],
    gives: /has \.\. in it/,
    because: dots,
  },
  HardlinkDirectAbsolute: {
    layer: [etc, passwd, hardlink("localpasswd", "/etc/passwd")],
    wants: ["etc/passwd==localpasswd"],
    gives: [...inside, "etc/passwd==localpasswd", "localpasswd=inside"],
  },
  SymlinkParentDirectory: {
    layer: [etc, passwd, symlink("..", "/etc/"), hardlink("localpasswd", "/etc/passwd")],
    wants: ["etc/passwd==localpasswd"],
    gives: /has \.\. in it/,
    because: dots,
  },
  SymlinkEmptyFilename: {
    layer: [etc, passwd, symlink("", "/etc/"), hardlink("localpasswd", "/etc/passwd")],
    wants: ["etc/passwd==localpasswd"],
    gives: /entry without a name/,
    because: "containerd leaves out what has no name; no builder writes it",
  },
  SymlinkParentRelative: {
    layer: [
      etc,
      passwd,
      symlink("localetc/sub/..", "/etc/"),
      hardlink("/localetc/localpasswd", "/etc/passwd"),
    ],
    wants: ["etc/passwd==localetc/localpasswd"],
    gives: /has \.\. in it/,
    because: dots,
  },
  SymlinkSlashEnded: {
    layer: [
      etc,
      passwd,
      directory("localetc/", { mode: 0o770 }),
      hardlink("/localetc/localpasswd", "/etc/passwd"),
    ],
    wants: ["etc/passwd==localetc/localpasswd"],
    gives: [...inside, "etc/passwd==localetc/localpasswd", "localetc/", "localetc/localpasswd=inside"],
  },
  ...Object.fromEntries(
    [
      ["SymlinkOverrideDirectory", "/etc"],
      ["SymlinkOverrideDirectoryRelative", "../../etc"],
    ].map(([name, target = ""]) => [
      name,
      {
        lower: [...base, directory("localetc/")],
        layer: [symlink("localetc", target), hardlink("/localetc/localpasswd", "/etc/passwd")],
        // By way of localetc, which is a symlink to it then.
        wants: ["etc/localpasswd==etc/passwd"],
        gives: [
          "etc/",
          "etc/localpasswd=inside",
          "etc/localpasswd==etc/passwd",
          "etc/passwd=inside",
          `localetc->${target}`,
        ],
      },
    ]),
  ),
  DirectoryOverrideSymlink: {
    lower: [...base, symlink("localetc", "/etc")],
    layer: [directory("/localetc/"), hardlink("/localetc/localpasswd", "/etc/passwd")],
    wants: ["etc/passwd==localetc/localpasswd"],
    gives: [...inside, "etc/passwd==localetc/localpasswd", "localetc/", "localetc/localpasswd=inside"],
  },
  DirectoryOverrideSymlinkAndHardlink: {
    lower: [...base, symlink("localetc", "etc"), hardlink("/localetc/localpasswd", "/etc/passwd")],
    layer: [directory("/localetc/"), file("/localetc/localpasswd", "different")],
    wants: ["etc/passwd=inside", "localetc/localpasswd=different"],
    gives: [
      ...["etc/", "etc/localpasswd=inside", "etc/localpasswd==etc/passwd", "etc/passwd=inside"],
      ...["localetc/", "localetc/localpasswd=different"],
    ],
  },
  ...Object.fromEntries(
    [
      ["WhiteoutRootParent", ".wh..."],
      ["WhiteoutParent", "etc/.wh..."],
      ["WhiteoutRoot", ".wh.."],
      ["WhiteoutCurrentDirectory", "etc/.wh.."],
    ].map(([name, path = ""]) => [
      name,
      {
        ...{ lower: base, layer: [file(path, "")], wants: "refused" as const },
        gives: /takes away a directory by its own name, or its parent/,
      },
    ]),
  ),
  WhiteoutSymlink: {
    lower: [...users, symlink("localetc", "/etc")],
    layer: [file(".wh.localetc", "")],
    wants: ["etc/passwd=all users", "!localetc"],
    gives: ["etc/", "etc/passwd=all users"],
  },
  WhiteoutSymlinkPath: {
    lower: [...users, file("etc/whitedout", "ahhhh whiteout"), symlink("localetc", "/etc")],
    layer: [file("localetc/.wh.whitedout", "")],
    wants: ["etc/passwd=all users", "!etc/whitedout"],
    gives: ["etc/", "etc/passwd=all users", "localetc->/etc"],
  },
  WhiteoutDirectoryName: {
    lower: [...users, file("etc/whitedout", "ahhhh whiteout"), symlink("localetc", "/etc")],
    layer: [file(".wh.etc/somefile", "non-empty")],
    wants: ["etc/passwd=all users", ".wh.etc/somefile=non-empty"],
    gives: [
      ...[".wh.etc/", ".wh.etc/somefile=non-empty", "etc/", "etc/passwd=all users"],
      ...["etc/whitedout=ahhhh whiteout", "localetc->/etc"],
    ],
  },
  WhiteoutDeadSymlinkParent: {
    lower: [...users, symlink("localetc", "/dne")],
    layer: [file("localetc/.wh.etc", "")],
    wants: ["etc/passwd=all users"],
    gives: ["etc/", "etc/passwd=all users", "localetc->/dne"],
  },
  WhiteoutRelativePath: {
    lower: [...users, symlink("localetc", "/dne")],
    layer: [file("dne/../.wh.etc", "")],
    wants: ["!etc/passwd"],
    gives: /has \.\. in it/,
    because: dots,
  },
  WhiteoutOpaque: {
    lower: [...users, file("etc/shadow", "root:secret", { mode: 0o600 })],
    layer: [file("etc/.wh..wh..opq", "", { mode: 0o600 }), file("etc/group", "all groups")],
    wants: ["!etc/passwd", "!etc/shadow", "etc/group=all groups"],
    gives: ["etc/", "etc/group=all groups"],
  },
  WhiteoutOpaqueOutOfOrder: {
    lower: users,
    layer: [file("etc/group", "all groups"), file("etc/.wh..wh..opq", "", { mode: 0o600 })],
    wants: ["!etc/passwd", "etc/group=all groups"],
    gives: ["etc/", "etc/group=all groups"],
  },
  SymlinkOverridePath: {
    layer: [
      ...[directory("foo/"), directory("foo/tmp/"), file("foo/tmp/breakout", "012"), symlink("foo", "/")],
      ...[
        file("foo/tmp/breakout", "345"),
        directory("foo/"),
        directory("foo/tmp/"),
        file("foo/tmp/breakout", "678"),
      ],
    ],
    wants: ["foo/tmp/breakout=678"],
    gives: ["foo/", "foo/tmp/", "foo/tmp/breakout=678", "tmp/", "tmp/breakout=345"],
  },
  HardlinkSymlinkBeforeCreateTarget: {
    layer: [
      ...[etc, symlink("localpasswd", "/etc/passwd"), hardlink("localpasswd-dup", "localpasswd")],
      file("/etc/passwd", "after"),
    ],
    wants: ["localpasswd-dup->/etc/passwd", "etc/passwd=after"],
    gives: [
      ...["etc/", "etc/passwd=after", "localpasswd->/etc/passwd"],
      ...["localpasswd-dup->/etc/passwd", "localpasswd==localpasswd-dup"],
    ],
  },
  ...Object.fromEntries(
    [
      ["HardlinkSymlinkRelative", "../../../../../etc/passwd"],
      ["HardlinkSymlinkAbsolute", "/etc/passwd"],
    ].map(([name, target = ""]) => [
      name,
      {
        layer: [etc, passwd, symlink("passwdlink", target), hardlink("localpasswd", "/passwdlink")],
        wants: [`localpasswd->${target}`, `passwdlink->${target}`, "etc/passwd=inside"],
        gives: [...inside, `localpasswd->${target}`, "localpasswd==passwdlink", `passwdlink->${target}`],
      },
    ]),
  ),
};
