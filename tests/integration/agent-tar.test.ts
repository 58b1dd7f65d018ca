import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { extract } from "tar-stream";
import type { GuestSession } from "../../src/guest/guest.ts";
import { AgentFixture, agentMissing, bytesOf } from "./agent-fixture.ts";
import { describeTree, type Entry, gnuTar, tarOf } from "./agent-trees.ts";

describe.skipIf(agentMissing !== undefined)("trees to and from the agent", () => {
  let agent: AgentFixture;
  let session: GuestSession;
  let scratch: string;
  let from: string;
  let to: string;
  const unpack = (...parts: Buffer[]) => session.unpack(to, Readable.from(parts));

  beforeAll(async () => {
    agent = new AgentFixture();
    session = await agent.session();
  });
  beforeEach(() => {
    scratch = mkdtempSync(join(agent.dir, "t-"));
    from = join(scratch, "from");
    to = join(scratch, "to");
    mkdirSync(from);
  });
  afterAll(() => agent.end());

  /** Names that break programs which think of text. */
  function makeOddTree(): void {
    const names = [
      "-rf",
      "a\nb",
      "q'\"`$(x)",
      " ",
      "ü\u{1f600}",
      "*",
      "\\",
      "x".repeat(255),
      "#!tar",
      "PaxHeader",
    ];
    for (const name of names) writeFileSync(join(from, name), name);
    writeFileSync(Buffer.concat([Buffer.from(`${from}/`), Buffer.from([0xff, 0xfe, 0x80])]), "not utf-8");
    mkdirSync(join(from, "empty"));
    mkdirSync(join(from, ...Array.from({ length: 20 }, () => "d".repeat(50))), { recursive: true });
    writeFileSync(join(from, ...Array.from({ length: 20 }, () => "d".repeat(50)), "deep"), "deep");
    writeFileSync(join(from, "script"), "#!/bin/sh\n");
    chmodSync(join(from, "script"), 0o755);
    chmodSync(join(from, "empty"), 0o700);
    writeFileSync(join(from, "zero"), "");
    writeFileSync(join(from, "block"), randomBytes(512));
    writeFileSync(join(from, "large"), randomBytes(3_000_001));
    symlinkSync("/etc/passwd", join(from, "absolute link"));
    symlinkSync("../../..", join(from, "link up"));
    symlinkSync("y".repeat(300), join(from, "long link"));
    utimesSync(join(from, "zero"), 1, 1);
    utimesSync(join(from, "block"), 1_500_000_000, 1_500_000_000);
  }

  test("a time before 1970 keeps its fraction", async () => {
    // utimes of the runtime drops the fraction of such a time.
    spawnSync("touch", ["-d", "@-3599.75", join(from, "old")]);
    await unpack(gnuTar(from, "--format=pax"));
    const time = (tree: string) => lstatSync(join(tree, "old"), { bigint: true }).mtimeNs;
    expect(time(to)).toBe(time(from));
  });

  test.each(["--format=pax", "--format=gnu"])(
    "what GNU tar writes with %s arrives as it was",
    async (format) => {
      makeOddTree();
      linkSync(join(from, "large"), join(from, "hard"));
      const result = await unpack(gnuTar(from, format));
      // gnu's format has no fractions of a second
      const same = (tree: string) => describeTree(tree).replaceAll(/\.\d{10}\|/g, "|");
      expect(same(to)).toBe(same(from));
      expect(lstatSync(join(to, "hard")).ino).toBe(lstatSync(join(to, "large")).ino);
      expect(result.files).toBe(20);
      expect(result.bytes).toBeGreaterThan(3_000_000);
    },
  );

  test("pax times keep their nanoseconds", async () => {
    makeOddTree();
    await unpack(gnuTar(from, "--format=pax"));
    expect(describeTree(to)).toBe(describeTree(from));
  });

  test("what the agent packs, it unpacks, and GNU tar too", async () => {
    makeOddTree();
    const archive = await bytesOf(await session.pack(from));
    await unpack(archive);
    const same = (tree: string) => describeTree(tree).replaceAll(/\.\d{10}\|/g, "|");
    expect(same(join(to, "from"))).toBe(same(from));
    const gnu = join(scratch, "gnu");
    mkdirSync(gnu);
    const done = spawnSync("tar", ["-C", gnu, "-xf", "-"], { input: archive });
    expect(done.stderr.toString()).toBe("");
    expect(same(join(gnu, "from"))).toBe(same(from));
  });

  test("a single file can be packed, a missing one ends the stream with an error", async () => {
    writeFileSync(join(from, "one"), "content");
    const names: string[] = [];
    const reader = extract();
    reader.on("entry", (header, stream, next) => {
      names.push(header.name);
      stream.on("end", next).resume();
    });
    reader.end(await bytesOf(await session.pack(join(from, "one"))));
    await new Promise<void>((resolve) => reader.on("finish", () => resolve()));
    expect(names).toEqual(["one"]);
    await expect(bytesOf(await session.pack(join(from, "none")))).rejects.toMatchObject({
      code: "guest_failed",
      message: expect.stringContaining("No such file"),
    });
  });

  test("a packed tree is complete for a reader that is slow", async () => {
    writeFileSync(join(from, "large"), randomBytes(20_000_000));
    const stream = await session.pack(join(from, "large"));
    await Bun.sleep(100);
    let size = 0;
    for await (const chunk of stream) {
      size += (chunk as Buffer).length;
      if (size % 5 === 0) await Bun.sleep(1);
    }
    expect(size).toBe(20_000_256 - (20_000_256 % 512) + 512 + 1024);
  });

  test("parents are made, what is there is replaced, and a root that does not exist is created", async () => {
    to = join(to, "a", "b");
    await unpack(await tarOf({ name: "x/y/file", content: "old" }, { name: "x/kept", content: "kept" }));
    symlinkSync("file", join(to, "x/y/link"));
    await unpack(
      await tarOf(
        { name: "x/y/file", content: "new", mode: 0o600 },
        { name: "x/y/link", content: "was a link" },
        { name: "x/y/other", type: "symlink", linkname: "file" },
        { name: "x/y/other", type: "symlink", linkname: "link" },
      ),
    );
    expect(readFileSync(join(to, "x/y/file"), "utf8")).toBe("new");
    expect(lstatSync(join(to, "x/y/file")).mode & 0o777).toBe(0o600);
    expect(lstatSync(join(to, "x/y/link")).isFile()).toBe(true);
    expect(readFileSync(join(to, "x/y/file"), "utf8")).toBe("new");
    expect(readFileSync(join(to, "x/kept"), "utf8")).toBe("kept");
    expect(readlinkSync(join(to, "x/y/other"))).toBe("link");
  });

  test("a file whose directory turns up only later has the directory's mode in the end", async () => {
    await unpack(await tarOf({ name: "d/file" }, { name: "d", type: "directory", mode: 0o711 }));
    expect(lstatSync(join(to, "d")).mode & 0o777).toBe(0o711);
  });

  test("a directory takes the place of a link that has its name", async () => {
    mkdirSync(to);
    symlinkSync(scratch, join(to, "d"));
    await unpack(await tarOf({ name: "d", type: "directory" }, { name: "d/file", content: "inside" }));
    expect(lstatSync(join(to, "d")).isDirectory()).toBe(true);
    expect(existsSync(join(scratch, "file"))).toBe(false);
  });

  describe("nothing is written outside the root", () => {
    const outside = "outside-of-it";
    const hostile: [string, Entry[]][] = [
      ["..", [{ name: `../${outside}`, content: "x" }]],
      [".. in the middle", [{ name: `a/../../${outside}`, content: "x" }]],
      [
        "a link and a file through it",
        [
          { name: "l", type: "symlink", linkname: ".." },
          { name: `l/${outside}`, content: "x" },
        ],
      ],
      [
        "a link to an absolute path and a directory through it",
        [
          { name: "l", type: "symlink", linkname: "/tmp" },
          { name: `l/${outside}`, type: "directory" },
        ],
      ],
      ["a hard link to a file outside", [{ name: "h", type: "link", linkname: "../secret" }]],
      [
        "a hard link through a link",
        [
          { name: "l", type: "symlink", linkname: ".." },
          { name: "h", type: "link", linkname: "l/secret" },
        ],
      ],
      ["a device", [{ name: "dev", type: "character-device", devmajor: 1, devminor: 3 }]],
      ["a fifo", [{ name: "fifo", type: "fifo" }]],
    ];
    test.each(hostile)("%s is refused", async (_what, entries) => {
      writeFileSync(join(scratch, "secret"), "secret");
      const archive = await tarOf(...entries, { name: "after", content: "x".repeat(1000) });
      await expect(unpack(archive)).rejects.toMatchObject({ code: "guest_failed" });
      expect(existsSync(join(scratch, outside))).toBe(false);
      expect(existsSync(join("/tmp", outside))).toBe(false);
      expect(lstatSync(join(scratch, "secret")).nlink).toBe(1);
    });

    test("an absolute path is taken as one below the root", async () => {
      await unpack(await tarOf({ name: `/${outside}`, content: "x" }));
      expect(existsSync(`/${outside}`)).toBe(false);
      expect(existsSync(join(to, outside))).toBe(true);
    });

    test("a file over a link replaces the link and leaves its target", async () => {
      writeFileSync(join(scratch, "secret"), "secret");
      await unpack(
        await tarOf(
          { name: "l", type: "symlink", linkname: "../secret" },
          { name: "l", content: "overwritten" },
        ),
      );
      expect(readFileSync(join(scratch, "secret"), "utf8")).toBe("secret");
      expect(readFileSync(join(to, "l"), "utf8")).toBe("overwritten");
    });
  });

  test("an archive that stops early is an error, wherever it stops", async () => {
    const whole = await tarOf({ name: "a", content: "x".repeat(2000) }, { name: "b", content: "y" });
    for (const size of [
      0,
      100,
      512,
      1000,
      512 + 2000,
      512 + 2048,
      512 + 2048 + 512 + 1,
      whole.length - 1024,
    ]) {
      await expect(unpack(whole.subarray(0, size))).rejects.toMatchObject({ code: "guest_failed" });
    }
    expect((await unpack(whole)).files).toBe(2);
  });

  test("damaged headers are errors", async () => {
    const whole = await tarOf({ name: "a", content: "x" });
    for (const at of [0, 100, 124, 148, 257, 500]) {
      const damaged = Buffer.from(whole);
      damaged[at] = 0xff;
      await expect(unpack(damaged)).rejects.toMatchObject({ code: "guest_failed" });
    }
  });

  test("a source that breaks fails the unpacking with the source's own error", async () => {
    const source = new Readable({ read() {} });
    source.push(await tarOf({ name: "a" }).then((archive) => archive.subarray(0, 512)));
    const unpacking = session.unpack(to, source);
    source.destroy(new Error("the source broke"));
    await expect(unpacking).rejects.toThrow("the source broke");
  });

  test("a source is not read to its end once the guest has given up", async () => {
    let given = 0;
    const endless = new Readable({
      read() {
        given += 1;
        this.push(Buffer.alloc(65_536, "x"));
      },
    });
    await expect(session.unpack(to, endless)).rejects.toMatchObject({ code: "guest_failed" });
    expect(endless.destroyed).toBe(true);
    expect(given).toBeLessThan(1000);
  });

  test("cancelling stops an unpacking", async () => {
    const cancel = new AbortController();
    const unpacking = session.unpack(to, new Readable({ read() {} }), cancel.signal);
    cancel.abort();
    await expect(unpacking).rejects.toMatchObject({ code: "cancelled" });
  });

  test("a command's input ends while an unpacking is under way", async () => {
    const source = new Readable({ read() {} });
    const unpacking = session.unpack(to, source);
    const child = await session.exec({ argv: ["cat"], cwd: "/", after: "agent" });
    const another = session.unpack(join(scratch, "second"), Readable.from([await tarOf({ name: "x" })]));
    child.stdin.end();
    expect(await child.exit).toBe(0);
    expect((await another).files).toBe(1);
    source.push(await tarOf({ name: "y" }));
    source.push(null);
    expect((await unpacking).files).toBe(1);
  });
});
