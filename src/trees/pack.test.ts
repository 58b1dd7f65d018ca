import { afterAll, beforeAll, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readArchive } from "../tar/testing/archive.ts";
import { contentOf } from "./content.ts";
import { type HostTree, type PackOptions, tarOfTrees } from "./pack.ts";

let dir: string;
const never = new AbortController().signal;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "trees-"));
  mkdirSync(join(dir, "tree/sub"), { recursive: true });
  writeFileSync(join(dir, "tree/a"), "one");
  writeFileSync(join(dir, "tree/sub/b"), Buffer.alloc(3 * 1024 * 1024, "b"));
  symlinkSync("../a", join(dir, "tree/sub/l"));
  execFileSync("mkfifo", [join(dir, "tree/pipe")]);
  chmodSync(join(dir, "tree/a"), 0o4711);
  utimesSync(join(dir, "tree/a"), 1000, 1000);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function pack(trees: HostTree[], options: Partial<PackOptions> = {}) {
  const pieces: Buffer[] = [];
  for await (const piece of tarOfTrees(trees, { signal: never, ...options })) pieces.push(piece);
  return readArchive(Buffer.concat(pieces)).map(({ path, type, mode, mtimeS, content, linkTarget }) => ({
    ...{ path: path.toString(), type, mode, mtimeS, link: linkTarget.toString(), bytes: content.length },
  }));
}

test("a tree is packed under its new name, in order, without set-id bits; pipes are left out, and told", async () => {
  const leftOut: string[] = [];
  let bytes = 0;
  const found = await pack([{ place: join(dir, "tree"), name: "t" }], {
    leftOut: (place, what) => leftOut.push(`${place}: ${what}`),
    onBytes: (count) => {
      bytes += count;
    },
  });
  expect(found.map(({ path }) => path)).toEqual(["t/", "t/a", "t/sub/", "t/sub/b", "t/sub/l"]);
  expect(found[1]).toMatchObject({ type: "file", mode: 0o711, mtimeS: 1000, bytes: 3 });
  expect(found[3]).toMatchObject({ bytes: 3 * 1024 * 1024 });
  expect(found[4]).toMatchObject({ type: "symlink", link: "../a" });
  expect(leftOut).toEqual([`${join(dir, "tree/pipe")}: a pipe`]);
  expect(bytes).toBe(3 * 1024 * 1024 + 3);
});

test("a directory's content is packed without it, a file alone may have another mode, links may be left out", async () => {
  const leftOut: string[] = [];
  const found = await pack(
    [
      { place: join(dir, "tree/sub"), name: "" },
      { place: join(dir, "tree/a"), name: "x/secret", mode: 0o600 },
    ],
    { links: "leave out", leftOut: (_place, what) => leftOut.push(what) },
  );
  expect(found.map(({ path, mode }) => [path, mode])).toEqual([
    ["b", 0o644],
    ["x/secret", 0o600],
  ]);
  expect(leftOut).toEqual(["a symbolic link"]);
});

test("a file's content comes out of an archive as it went in, and nothing else does", async () => {
  const contentFrom = async (place: string) => {
    let content = Buffer.alloc(0);
    const tar = tarOfTrees([{ place: join(dir, place), name: "x" }], { signal: never });
    for await (const piece of contentOf(tar)) content = Buffer.concat([content, piece]);
    return content;
  };
  expect((await contentFrom("tree/a")).toString()).toBe("one");
  expect((await contentFrom("tree/sub/b")).equals(Buffer.alloc(3 * 1024 * 1024, "b"))).toBe(true);
  expect(contentFrom("tree")).rejects.toThrow("it is a directory, and only a file's content can be written");
});
