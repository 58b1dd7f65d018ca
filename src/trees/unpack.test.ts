import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { end, member, pax } from "../tar/testing/archive.ts";
import { TreeUnpacker } from "./unpack.ts";

let dir: string;
let warnings: string[];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "trees-"));
  warnings = [];
});
afterEach(() => {
  for (const name of readdirSync(dir))
    if (statSync(join(dir, name)).isDirectory()) chmodSync(join(dir, name), 0o755);
  rmSync(dir, { recursive: true, force: true });
});

const file = (name: string, content = "x", mode = "0000644\0") =>
  member({ name, mode }, Buffer.from(content));
const directory = (name: string, mode = "0000755\0") => member({ name, type: "5", mode });
const link = (name: string, to: string) => member({ name, type: "2", link: to });

function unpack(name: string | undefined, ...parts: Buffer[]): { files: number; bytes: number } {
  const unpacker = new TreeUnpacker({ directory: dir, name }, { warn: (said) => warnings.push(said) });
  try {
    unpacker.push(Buffer.concat([...parts, end]));
    return unpacker.finish();
  } catch (error) {
    unpacker.abort();
    throw error;
  }
}
const at = (...parts: string[]) => join(dir, ...parts);

describe("a guest's archive made into files", () => {
  test("a file gets the name that it is given here, with its mode and time", () => {
    const made = unpack(
      "mine",
      member({ name: "theirs", mode: "0000750\0", mtime: "00000001000\0" }, Buffer.from("hi")),
    );
    expect(made).toEqual({ files: 1, bytes: 2 });
    expect([readFileSync(at("mine"), "utf8"), lstatSync(at("mine")).mode & 0o7777]).toEqual(["hi", 0o750]);
    expect(lstatSync(at("mine")).mtimeMs).toBe(512_000);
    expect(readdirSync(dir)).toEqual(["mine"]);
  });

  test("a tree does too, and links stay links, wherever they point", () => {
    unpack(
      "t",
      directory("x"),
      directory("x/d", "0000555\0"),
      file("x/d/f"),
      link("x/up", "../../etc/passwd"),
    );
    expect(readFileSync(at("t/d/f"), "utf8")).toBe("x");
    expect(lstatSync(at("t/d")).mode & 0o777).toBe(0o555);
    expect(readlinkSync(at("t/up"))).toBe("../../etc/passwd");
    chmodSync(at("t/d"), 0o755);
  });

  test("a directory's content goes right into a directory, whose own mode stays", () => {
    chmodSync(dir, 0o700);
    unpack(undefined, directory(".", "0000777\0"), file("./a"), directory("./d"), file("./d/b"));
    expect(readdirSync(dir).sort()).toEqual(["a", "d"]);
    expect(lstatSync(dir).mode & 0o777).toBe(0o700);
  });

  test("what is there is replaced, and directories are filled", () => {
    mkdirSync(at("t"));
    writeFileSync(at("t/f"), "old");
    writeFileSync(at("t/kept"), "kept");
    unpack("t", directory("x"), file("x/f", "new"));
    expect([readFileSync(at("t/f"), "utf8"), readFileSync(at("t/kept"), "utf8")]).toEqual(["new", "kept"]);
  });

  test("set-id and sticky bits are dropped", () => {
    unpack("t", directory("x", "0007777\0"), file("x/su", "x", "0006755\0"));
    expect(lstatSync(at("t")).mode & 0o7777).toBe(0o777);
    expect(lstatSync(at("t/su")).mode & 0o7777).toBe(0o755);
  });

  test("devices and pipes are left out, and it is said", () => {
    unpack(
      "t",
      directory("x"),
      member({ name: "x/sda", type: "4" }),
      member({ name: "x/p", type: "6" }),
      file("x/f"),
    );
    expect(readdirSync(at("t"))).toEqual(["f"]);
    expect(warnings).toEqual(["left out 2 of the guest's files that are devices or pipes"]);
  });

  test("hard links within the copy are kept", () => {
    unpack(
      "t",
      directory("x"),
      directory("x/d"),
      file("x/d/a", "one"),
      member({ name: "x/b", type: "1", link: "x/d/a" }),
    );
    expect(lstatSync(at("t/b")).ino).toBe(lstatSync(at("t/d/a")).ino);
  });

  test("names keep their bytes", () => {
    unpack(
      "t",
      directory("x"),
      file("x/a\nb\x1b[2J"),
      pax({ path: Buffer.from([0x78, 0x2f, 0xff, 0xfe]) }),
      file("n"),
    );
    const names = readdirSync(at("t"), { encoding: "buffer" }).map((name) => name.toString("latin1"));
    expect(names.sort()).toEqual(["a\nb\x1b[2J", "\xff\xfe"]);
  });

  test("and are on one line of a message, whatever is in them", () => {
    const name = "x/a\nbanger: all is well\x1b[2J";
    expect(() => unpack("t", directory("x"), directory(name), file(`${name}/../../y`))).toThrow(
      "out of the copy: x/a\\x0abanger: all is well\\x1b[2J/../../y",
    );
  });

  test("long runs of zeros take no space", () => {
    unpack("f", member({ name: "f" }, Buffer.alloc(8 * 1024 * 1024)));
    expect(lstatSync(at("f")).size).toBe(8 * 1024 * 1024);
    expect(lstatSync(at("f")).blocks).toBeLessThan(1024);
  });

  test("a .git that comes along is pointed at", () => {
    unpack(
      "t",
      directory("x"),
      directory("x/.git"),
      file("x/.git/config"),
      directory("x/sub"),
      directory("x/sub/.git"),
    );
    expect(warnings).toEqual([
      `${at("t/.git")} comes from the guest: git on this host runs what its settings and hooks name`,
    ]);
  });
});

describe("nothing is written outside of the destination", () => {
  const outside = () =>
    readdirSync(join(dir, ".."), { encoding: "utf8" }).filter((name) => name.includes("escaped"));

  test.each([
    ["..", [file("../escaped")]],
    [".. further in", [directory("x"), file("x/../../escaped")]],
    ["an absolute path", [file("/tmp/escaped")]],
    ["another first component", [directory("x"), file("y/escaped")]],
    ["a file below a file", [file("x"), file("x/escaped")]],
    ["a link, and a file below it", [link("x", "/tmp"), file("x/escaped")]],
    [
      "a hard link to a path outside",
      [directory("x"), member({ name: "x/h", type: "1", link: "../escaped" })],
    ],
  ] as [string, Buffer[]][])("%s", (_what, parts) => {
    expect(() => unpack("t", ...parts)).toThrow("leads out of the copy");
    expect(outside()).toEqual([]);
  });

  test("a link in the tree, and a file or a directory through it", () => {
    mkdirSync(at("other"));
    for (const through of [
      file("x/l/f"),
      directory("x/l/d"),
      member({ name: "x/l/h", type: "1", link: "x/l/f" }),
    ])
      expect(() => unpack("t", directory("x"), link("x/l", "../other"), through)).toThrow(
        /nothing is written through it/,
      );
    expect(readdirSync(at("other"))).toEqual([]);
  });

  test("a link that was here before: it is replaced, never followed", () => {
    writeFileSync(at("secret"), "secret");
    symlinkSync(at("secret"), at("f"));
    unpack("f", file("x", "from the guest"));
    expect(readFileSync(at("secret"), "utf8")).toBe("secret");
    expect(lstatSync(at("f")).isSymbolicLink()).toBe(false);
  });

  test("a directory made of a link that was here before is refused", () => {
    mkdirSync(at("other"));
    symlinkSync(at("other"), at("t"));
    expect(() => unpack("t", directory("x"), file("x/f"))).toThrow("directory cannot take its place");
    expect(readdirSync(at("other"))).toEqual([]);
  });
});

describe("a copy that fails", () => {
  test("cut off in a file leaves nothing under its name, and no half file", () => {
    writeFileSync(at("f"), "as it was");
    const unpacker = new TreeUnpacker({ directory: dir, name: "f" });
    unpacker.push(file("x", "y".repeat(2000)).subarray(0, 1000));
    unpacker.abort();
    expect(readdirSync(dir)).toEqual(["f"]);
    expect(readFileSync(at("f"), "utf8")).toBe("as it was");
  });

  test("cut off between files is told", () => {
    const unpacker = new TreeUnpacker({ directory: dir, name: "t" });
    unpacker.push(Buffer.concat([directory("x"), file("x/a")]));
    expect(() => unpacker.finish()).toThrow("cut off");
  });

  test("a file never takes a directory's place, nor a directory a file's", () => {
    mkdirSync(at("d"));
    writeFileSync(at("f"), "");
    expect(() => unpack("d", file("x"))).toThrow("it is a directory, and a file cannot take its place");
    expect(() => unpack("f", directory("x"))).toThrow(
      "it is no directory, and a directory cannot take its place",
    );
    expect(readdirSync(dir).sort()).toEqual(["d", "f"]);
  });

  test("what a killed copy has left is removed, and what another one is writing stays", () => {
    const abandoned = ".banger-copy-9999999-0123456789ab";
    const another = `.banger-copy-${process.ppid}-0123456789ab`;
    mkdirSync(at("d"));
    for (const name of [abandoned, another, `d/${abandoned}`, ".banger-copy-mine"])
      writeFileSync(at(name), "");
    unpack("d", directory("x"));
    expect(readdirSync(dir).sort()).toEqual([another, ".banger-copy-mine", "d"]);
    expect(readdirSync(at("d"))).toEqual([]);
  });

  test("what is no archive is refused", () => {
    expect(() => unpack("t", Buffer.alloc(1024, 7))).toThrow("the archive cannot be read");
    expect(() => unpack("t")).toThrow("the guest sent nothing that can be copied");
    expect(existsSync(at("t"))).toBe(false);
  });
});
