/** Archives put into a disk: as a guest would have unpacked them. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { fillFromTar } from "../../src/ext4/ext4.ts";
import { AgentFixture, agentMissing } from "./agent-fixture.ts";
import { describeTree, gnuTar, tarOf } from "./agent-trees.ts";
import {
  bytes,
  complaints,
  Disks,
  fillDisk,
  MiB,
  mounted,
  mountMissing,
  nowS,
  toolsMissing,
} from "./ext4-fixture.ts";

const disks = new Disks();
afterAll(() => disks.end());

async function unpacked(archive: Buffer, under = "repo", step = 65_536): Promise<string> {
  return disks.filled(64 * MiB, (filler) => {
    const filling = fillFromTar(filler, bytes(under));
    for (let at = 0; at < archive.length; at += step) filling.push(archive.subarray(at, at + step));
    filling.finish();
  });
}

/** A tree with the names and kinds that break programs. */
function oddTree(): string {
  const dir = mkdtempSync(join(disks.dir, "tree-"));
  const script = `
    cd "$1"; mkdir -p empty a/b/c "$(printf 'd%.0s' $(seq 200))/$(printf 'e%.0s' $(seq 200))"
    printf x > "$(printf '\\377\\376\\200')"; printf y > 'a/b/c/q"$(x)'; printf z > " "; : > zero
    head -c 3000001 /dev/urandom > a/large; head -c 4096 /dev/urandom > a/block; head -c 4097 /dev/urandom > a/more
    ln -s /etc/passwd a/absolute; ln -s "$(printf 'y%.0s' $(seq 300))" a/long; ln -s ../.. up; ln a/large hard
    chmod 755 zero; chmod 600 a/block; chmod 700 empty; touch -d '1969-12-31 23:00:00.25' zero; touch -d '2055-05-05' a/more
    for n in $(seq 300); do echo $n > a/b/$n; done`;
  const made = spawnSync("sh", ["-c", script, "sh", dir], { encoding: "utf8" });
  expect(made.stderr).toBe("");
  return dir;
}

describe.skipIf(toolsMissing || mountMissing !== undefined)("an archive in a disk", () => {
  test.each(["--format=pax", "--format=gnu"])(
    "of GNU tar with %s reads as the tree it was made from, and all is root's",
    async (format) => {
      const tree = oddTree();
      const disk = await unpacked(gnuTar(tree, format));
      expect(complaints(disk)).toBe("");
      // gnu's format has no fractions of a second.
      const same = (dir: string) => describeTree(dir).replaceAll(/\.\d{10}\|/g, "|");
      mounted(disk, (root) => {
        expect(same(join(root, "repo"))).toBe(same(tree));
        if (format === "--format=pax") expect(describeTree(join(root, "repo"))).toBe(describeTree(tree));
        expect(spawnSync("find", [root, "!", "-user", "0"], { encoding: "utf8" }).stdout).toBe("");
        expect(statSync(join(root, "repo/hard")).nlink).toBe(2);
        expect(statSync(join(root, "repo/a")).mtimeMs).toBe(nowS * 1000);
      });
    },
  );

  test.skipIf(agentMissing !== undefined)("is what the guest's agent makes of it", async () => {
    const tree = oddTree();
    // The agent takes fractions of seconds before 1970 for later than they are.
    utimesSync(join(tree, "zero"), 1, 1);
    const archive = gnuTar(tree, "--format=pax");
    const agent = new AgentFixture();
    try {
      const to = join(agent.dir, "to");
      mkdirSync(to);
      const session = await agent.session();
      const said = await session.unpack(to, Readable.from([archive]));
      const disk = await unpacked(archive, "repo", 1000);
      mounted(disk, (root) => expect(describeTree(join(root, "repo"))).toBe(describeTree(to)));
      fillDisk(await disks.fresh(64 * MiB), (filler) => {
        const filling = fillFromTar(filler, bytes(""));
        filling.push(archive);
        expect(filling.finish()).toEqual({ files: said.files, bytes: said.bytes });
      });
    } finally {
      await agent.end();
    }
  });

  test.each([
    "--format=gnu",
    "--format=pax --sparse-version=0.0",
    "--format=pax --sparse-version=0.1",
    "--format=pax --sparse-version=1.0",
  ])("keeps the holes of a sparse file that GNU tar read with %s", async (options) => {
    const tree = mkdtempSync(join(disks.dir, "tree-"));
    const path = join(tree, "sparse");
    writeFileSync(path, "start");
    truncateSync(path, 300 * MiB);
    for (let n = 1; n < 40; n += 1)
      spawnSync("dd", ["if=/dev/zero", `of=${path}`, "bs=1M", `seek=${n * 7}`, "count=0"]);
    const script =
      'import sys\nf=open(sys.argv[1],"r+b")\nfor n in range(1,40): f.seek(n*7000001); f.write(b"part%d"%n)';
    expect(spawnSync("python3", ["-c", script, path]).status).toBe(0);
    const archive = gnuTar(tree, "-S", ...options.split(" "));
    expect(archive.length).toBeLessThan(5 * MiB);
    const disk = await unpacked(archive);
    expect(complaints(disk)).toBe("");
    mounted(disk, (root) => {
      expect(spawnSync("cmp", [path, join(root, "repo/sparse")], { encoding: "utf8" }).stdout).toBe("");
      expect(statSync(join(root, "repo/sparse")).blocks).toBeLessThan(2000);
    });
  });
});

describe.skipIf(toolsMissing)("an archive is refused", () => {
  const refused: [what: string, code: string, entries: Parameters<typeof tarOf>][] = [
    ["that leads upwards", "bad_request", [{ name: "../up", content: "x" }]],
    ["that leads upwards on the way", "bad_request", [{ name: "a/../../up", content: "x" }]],
    [
      "that goes through a link",
      "bad_request",
      [
        { name: "a", type: "symlink", linkname: "/" },
        { name: "a/b", content: "x" },
      ],
    ],
    [
      "that goes through a file",
      "bad_request",
      [
        { name: "a", content: "x" },
        { name: "a/b", content: "x" },
      ],
    ],
    [
      "that names a file twice",
      "already_exists",
      [
        { name: "a", content: "x" },
        { name: "a", content: "y" },
      ],
    ],
    [
      "with a hard link out of it",
      "bad_request",
      [{ name: "a", type: "link", linkname: "../../lost+found" }],
    ],
    ["with a hard link to nothing", "not_found", [{ name: "a", type: "link", linkname: "b" }]],
    [
      "with a hard link to a directory",
      "bad_request",
      [
        { name: "b", type: "directory" },
        { name: "a", type: "link", linkname: "b" },
      ],
    ],
    ["with a device", "bad_request", [{ name: "a", type: "character-device", devmajor: 1, devminor: 3 }]],
    ["with a name of 256 bytes", "bad_request", [{ name: "x".repeat(256), content: "x" }]],
  ];
  test.each(refused)("%s", async (_what, code, entries) => {
    const archive = await tarOf(...entries);
    await expect(unpacked(archive)).rejects.toThrow(expect.objectContaining({ code }));
  });

  test("that is cut off, wherever it is", async () => {
    const archive = await tarOf({ name: "d", type: "directory" }, { name: "d/f", content: "x".repeat(5000) });
    for (const at of [0, 100, 512, 700, 3000, archive.length - 1025, archive.length - 512])
      await expect(unpacked(archive.subarray(0, at))).rejects.toThrow(
        expect.objectContaining({ code: "corrupt" }),
      );
  });

  test("whose directories name what is already there, but a directory may be told of after its content", async () => {
    const disk = await unpacked(
      await tarOf({ name: "d/f", content: "x" }, { name: "d", type: "directory", mode: 0o700 }),
    );
    expect(complaints(disk)).toBe("");
    expect(readFileSync(disk).length).toBe(64 * MiB);
  });
});
