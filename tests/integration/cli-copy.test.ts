import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { agentMissing } from "./agent-fixture.ts";
import { CopyFixture } from "./copy-fixture.ts";

describe.skipIf(agentMissing !== undefined)("vm cp", () => {
  let bed: CopyFixture;
  /** On this side, and on the guest's, which is this host too. */
  let here: string;
  let there: string;
  beforeAll(() => {
    bed = new CopyFixture();
  });
  beforeEach(() => {
    const scratch = mkdtempSync(join(bed.dir, "t-"));
    here = join(scratch, "here");
    there = join(scratch, "there");
    for (const dir of [here, there]) mkdirSync(dir);
    bed.workspace = there;
  });
  afterAll(() => bed.agent.end());

  function makeTree(at: string): void {
    mkdirSync(join(at, "tree/sub"), { recursive: true });
    for (const name of ["a\nb", "-rf", "ü \u{1f600}", "$(x)`'\"", "\x1b[2J", "x".repeat(255)])
      writeFileSync(join(at, "tree/sub", name), name);
    writeFileSync(Buffer.concat([Buffer.from(`${at}/tree/`), Buffer.from([0xff, 0xfe])]), "bytes");
    writeFileSync(join(at, "tree/run"), "#!/bin/sh\n");
    chmodSync(join(at, "tree/run"), 0o750);
    utimesSync(join(at, "tree/run"), 1_000_000, 1_000_000);
    symlinkSync("../../../etc/passwd", join(at, "tree/link"));
    mkdirSync(join(at, "tree/closed"));
    chmodSync(join(at, "tree/closed"), 0o500);
    writeFileSync(join(at, "tree/large"), Buffer.alloc(3_000_000, "z"));
  }

  function sameTree(a: string, b: string): void {
    // Directories have the sizes of their file system, and in the guest times of their own; times go to the second.
    const script = `find . -type d -printf '%p d %m\\0' -o -printf '%p %y %m %Ts %l %s\\0' | sort -z
      find . -type f -print0 | sort -z | xargs -0 sha256sum`;
    const described = (cwd: string) => execFileSync("sh", ["-c", script], { cwd }).toString("latin1");
    expect(described(b)).toBe(described(a));
  }

  test("a tree goes in and comes out again as it was, with all of its names", async () => {
    makeTree(here);
    expect(await bed.copied(join(here, "tree"), "calm-otter:")).toBe("");
    sameTree(join(here, "tree"), join(there, "tree"));
    await bed.copied("calm-otter:tree", join(here, "back"));
    sameTree(join(here, "tree"), join(here, "back"));
  });

  test("into a directory that is there, else to the new name; with /. a directory's content alone", async () => {
    mkdirSync(join(here, "d"));
    writeFileSync(join(here, "d/f"), "x");
    const g = (path: string) => `calm-otter:${path}`;
    await bed.copied(join(here, "d/f"), g("new"));
    await bed.copied(join(here, "d"), g("renamed"));
    await bed.copied(join(here, "d"), g("renamed"));
    mkdirSync(join(there, "into"));
    await bed.copied(`${join(here, "d")}/.`, g("into/"));
    expect(readdirSync(there, { recursive: true, encoding: "utf8" }).sort()).toEqual([
      ...["into", "into/f", "new", "renamed", "renamed/d", "renamed/d/f", "renamed/f"],
    ]);
    await bed.copied(g("new"), here);
    await bed.copied(g("into"), join(here, "out"));
    await bed.copied(g("into/."), join(here, "out"));
    await bed.copied(g("into"), join(here, "out"));
    expect(readdirSync(here, { recursive: true, encoding: "utf8" }).sort()).toEqual([
      ...["d", "d/f", "new", "out", "out/f", "out/into", "out/into/f"],
    ]);
  });

  test("a tree goes from one VM into another as it was", async () => {
    makeTree(there);
    await bed.copied("calm-otter:tree", "calm-otter:renamed");
    sameTree(join(there, "tree"), join(there, "renamed"));
    mkdirSync(join(there, "d"));
    await bed.copied("calm-otter:tree/.", "calm-otter:d");
    await bed.copied("calm-otter:tree/run", "calm-otter:d/sub");
    expect(readdirSync(join(there, "d/sub"))).toContain("run");
    await bed.copied("calm-otter:tree/run", "calm-otter:ran");
    expect(readFileSync(join(there, "ran"), "utf8")).toBe("#!/bin/sh\n");
  });

  test("- is standard input and output, exact to the byte", async () => {
    const bytes = Buffer.from(Array.from({ length: 200_000 }, (_, n) => (n * 7) % 256));
    const { Readable } = await import("node:stream");
    await bed.copied("-", "calm-otter:stdin", { stdin: Readable.from([bytes]) });
    expect(readFileSync(join(there, "stdin")).equals(bytes)).toBe(true);
    expect(lstatSync(join(there, "stdin")).mode & 0o777).toBe(0o644);
    writeFileSync(join(there, "text"), "grüße\n");
    expect(await bed.copied("calm-otter:text", "-")).toBe("grüße\n");
    await bed.copied("-", "calm-otter:empty", { stdin: "" });
    expect(lstatSync(join(there, "empty")).size).toBe(0);
  });

  test("what cannot be is said in words, and makes nothing", async () => {
    mkdirSync(join(here, "d"));
    writeFileSync(join(here, "f"), "");
    mkdirSync(join(there, "d"));
    writeFileSync(join(there, "f"), "");
    const errors: [string, string, string][] = [
      [join(here, "none"), "calm-otter:", `there is no ${here}/none on this host`],
      ["calm-otter:none", here, `there is no ${there}/none in VM calm-otter`],
      ["calm-otter:f/.", here, `${there}/f in VM calm-otter is no directory`],
      ["calm-otter:f", join(here, "none/f"), `there is no directory ${here}/none on this host`],
      ["calm-otter:f", `${here}/none/`, `there is no directory ${here}/none/ on this host`],
      [join(here, "f"), "calm-otter:none/f", `there is no directory ${there}/none in VM calm-otter`],
      [join(here, "f"), "calm-otter:none/", `there is no directory ${there}/none in VM calm-otter`],
      [join(here, "d"), "calm-otter:f", `${there}/f in VM calm-otter is no directory`],
      [`${join(here, "f")}/`, "calm-otter:", `${here}/f/ is no directory`],
      ["calm-otter:d", join(here, "f"), "it is no directory, and a directory cannot take its place"],
      ["calm-otter:d", "-", "it is a directory, and only a file's content can be written"],
      ["-", "calm-otter:d", `${there}/d in VM calm-otter is a directory`],
      [here, here, "neither of the two is in a VM"],
      ["calm-otter:none", "calm-otter:d", `there is no ${there}/none in VM calm-otter`],
      ["calm-otter:f", "calm-otter:none/f", `there is no directory ${there}/none in VM calm-otter`],
    ];
    for (const [from, to, message] of errors) {
      const { status, err } = await bed.cp(from, to);
      expect([from, to, status, err.includes(message) ? message : err]).toEqual([from, to, 1, message]);
    }
    expect(readdirSync(here).sort()).toEqual(["d", "f"]);
    expect(readdirSync(there).sort()).toEqual(["d", "f"]);
  });

  test("what is no file here is not replaced by one", async () => {
    writeFileSync(join(there, "f"), "f");
    execFileSync("mkfifo", [join(here, "pipe")]);
    const { status, err } = await bed.cp("calm-otter:f", join(here, "pipe"));
    expect([status, err]).toEqual([1, expect.stringContaining("pipe is neither a file nor a directory")]);
    expect(lstatSync(join(here, "pipe")).isFIFO()).toBe(true);
  });

  test("links are copied, never what they point to; with a slash behind it a link is its directory", async () => {
    mkdirSync(join(there, "real"));
    writeFileSync(join(there, "real/f"), "x");
    symlinkSync("real", join(there, "link"));
    await bed.copied("calm-otter:link", here);
    expect(readlinkSync(join(here, "link"))).toBe("real");
    await bed.copied("calm-otter:link/", join(here, "copy"));
    expect(readdirSync(join(here, "copy"))).toEqual(["f"]);
  });

  test("a file that is cut off on the way in leaves what was there", async () => {
    writeFileSync(join(there, "f"), "as it was");
    const session = await bed.agent.session();
    const { PassThrough } = await import("node:stream");
    const tar = new PassThrough();
    const { tarHeader } = await import("../../src/tar/tar.ts");
    tar.write(tarHeader({ path: Buffer.from("f"), kind: "file", mode: 0o644, size: 1000, mtimeS: 0 }));
    tar.write("half of it");
    const cancel = new AbortController();
    const unpacked = session.unpack(there, tar, cancel.signal);
    await Bun.sleep(100);
    cancel.abort();
    expect(unpacked).rejects.toThrow("cancelled");
    await unpacked.catch(() => {});
    await Bun.sleep(100);
    expect(readdirSync(there)).toEqual(["f"]);
    expect(readFileSync(join(there, "f"), "utf8")).toBe("as it was");
  });

  test("set-id bits and devices of the guest stay in it, and a .git is pointed at", async () => {
    mkdirSync(join(there, "tree/.git"), { recursive: true });
    writeFileSync(join(there, "tree/su"), "");
    chmodSync(join(there, "tree/su"), 0o6755);
    execFileSync("mkfifo", [join(there, "tree/pipe")]);
    const said = await bed.copied("calm-otter:tree", here);
    expect(said).toContain("git on this host runs what its settings and hooks name");
    expect(lstatSync(join(here, "tree/su")).mode & 0o7777).toBe(0o755);
    expect(existsSync(join(here, "tree/pipe"))).toBe(false);
  });
});
