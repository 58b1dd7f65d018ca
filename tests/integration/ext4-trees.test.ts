/** Random trees, written without the kernel and read by it. */
import { afterAll, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import fc from "fast-check";
import type { Ext4Filler, Meta } from "../../src/ext4/ext4.ts";
import { bytes, complaints, Disks, MiB, mounted, mountMissing, nowS, toolsMissing } from "./ext4-fixture.ts";

type Content = { hole: number } | { fill: number; length: number };
type Node = { meta: Meta } & (
  | { kind: "file"; content: Content[] }
  | { kind: "directory" }
  | { kind: "symlink"; target: Buffer }
  | { kind: "fifo" }
  | { kind: "char"; major: number; minor: number }
);
interface Model {
  nodes: Map<string, Node>;
  /** Name -> the file it is another name of. */
  links: Map<string, string>;
}

const nameByte = fc.integer({ min: 1, max: 255 }).filter((byte) => byte !== 0x2f);
const name = fc
  .oneof(
    { weight: 6, arbitrary: fc.array(nameByte, { minLength: 1, maxLength: 12 }) },
    { weight: 1, arbitrary: fc.array(nameByte, { minLength: 200, maxLength: 255 }) },
  )
  .map((codes) => String.fromCharCode(...codes))
  .filter((text) => text !== "." && text !== "..");
const xattr = fc.record({
  name: fc.constantFrom(
    "user.a",
    "user.somewhat-longer",
    "security.capability",
    "trusted.overlay.opaque",
    "user.b",
  ),
  value: fc.oneof(fc.uint8Array({ maxLength: 30 }), fc.uint8Array({ minLength: 100, maxLength: 900 })),
});
/** VFS_CAP_REVISION_2 with one capability: the kernel shows no others. */
const capability = Buffer.from("0100000200040000000000000000000000000000", "hex");
const meta: fc.Arbitrary<Meta> = fc.record({
  mode: fc.integer({ min: 0, max: 0o7777 }),
  uid: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 32 - 2 })),
  gid: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** 32 - 2 })),
  mtimeS: fc.integer({ min: -(2 ** 31), max: 2 ** 33 }),
  mtimeNs: fc.integer({ min: 0, max: 999_999_999 }),
  xattrs: fc
    .uniqueArray(xattr, { maxLength: 4, selector: (each) => each.name })
    .map((list) =>
      list.map((each) => (each.name === "security.capability" ? { ...each, value: capability } : each)),
    ),
});
const content: fc.Arbitrary<Content> = fc.oneof(
  fc.record({ hole: fc.integer({ min: 0, max: 30_000 }) }),
  fc.record({ fill: fc.integer({ min: 0, max: 255 }), length: fc.integer({ min: 0, max: 30_000 }) }),
);
const node: fc.Arbitrary<Node> = meta.chain((its) =>
  fc
    .oneof(
      {
        weight: 5,
        arbitrary: fc
          .array(content, { maxLength: 8 })
          .map((parts) => ({ kind: "file" as const, content: parts })),
      },
      { weight: 4, arbitrary: fc.constant({ kind: "directory" as const }) },
      {
        weight: 2,
        arbitrary: fc
          .array(fc.integer({ min: 1, max: 255 }), { minLength: 1, maxLength: 90 })
          .map((codes) => ({ kind: "symlink" as const, target: Buffer.from(codes) })),
      },
      { weight: 1, arbitrary: fc.constant({ kind: "fifo" as const }) },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("char" as const),
          major: fc.integer({ min: 0, max: 4095 }),
          minor: fc.integer({ min: 0, max: 2 ** 20 - 1 }),
        }),
      },
    )
    .map((made) => ({
      ...made,
      meta:
        made.kind === "fifo" || made.kind === "char" || made.kind === "symlink"
          ? { ...its, xattrs: [] }
          : its,
    })),
);

/** Each node goes into one of the directories there are by then; each link is to one of the files. */
const model: fc.Arbitrary<Model> = fc
  .array(fc.record({ name, node, where: fc.nat(), isLink: fc.nat(9) }), { maxLength: 60 })
  .map((steps) => {
    const nodes = new Map<string, Node>();
    const links = new Map<string, string>();
    const directories = [""];
    const files: string[] = [];
    for (const step of steps) {
      const parent = directories[step.where % directories.length] ?? "";
      const path = parent === "" ? step.name : `${parent}/${step.name}`;
      // A path is at most PATH_MAX long.
      if (nodes.has(path) || links.has(path) || path === "lost+found" || path.length > 3000) continue;
      const target = files[step.where % Math.max(1, files.length)];
      if (step.isLink === 0 && target !== undefined) {
        links.set(path, target);
        continue;
      }
      nodes.set(path, step.node);
      if (step.node.kind === "directory") directories.push(path);
      else files.push(path);
    }
    return { nodes, links };
  });

const lengthOf = (parts: Content[]) =>
  parts.reduce((sum, part) => sum + ("hole" in part ? part.hole : part.length), 0);

function fill(filler: Ext4Filler, { nodes, links }: Model): void {
  for (const [path, its] of nodes) {
    const at = bytes(path);
    if (its.kind === "directory") filler.addDirectory(at, its.meta);
    else if (its.kind === "symlink") filler.addSymlink(at, its.target, its.meta);
    else if (its.kind === "fifo") filler.addNode(at, { type: "fifo" }, its.meta);
    else if (its.kind === "char")
      filler.addNode(at, { type: "char", major: its.major, minor: its.minor }, its.meta);
    else {
      const sink = filler.addFile(at, its.meta, lengthOf(its.content));
      for (const part of its.content) {
        if ("hole" in part) sink.hole(part.hole);
        else sink.write(Buffer.alloc(part.length, part.fill));
      }
      sink.close();
    }
    expect(filler.has(at)).toBe(true);
  }
  for (const [path, target] of links) filler.addHardLink(bytes(path), bytes(target));
}

const typeBits = { file: 0o100000, directory: 0o040000, symlink: 0o120000, fifo: 0o010000, char: 0o020000 };

/** Everything below a mounted disk's root but lost+found. */
function namesBelow(root: Buffer): string[] {
  const found: string[] = [];
  const walk = (at: Buffer, prefix: string) => {
    for (const entry of readdirSync(at, { encoding: "buffer" })) {
      const path = prefix + entry.toString("latin1");
      if (path === "lost+found") continue;
      found.push(path);
      const whole = Buffer.concat([at, Buffer.from("/"), entry]);
      if (lstatSync(whole).isDirectory()) walk(whole, `${path}/`);
    }
  };
  walk(root, "");
  return found.sort();
}

function compare(root: string, { nodes, links }: Model): void {
  expect(namesBelow(Buffer.from(root))).toEqual([...nodes.keys(), ...links.keys()].sort());
  const at = (path: string) => Buffer.concat([Buffer.from(`${root}/`), bytes(path)]);
  for (const [path, its] of nodes) {
    const stat = lstatSync(at(path), { bigint: true });
    const mtimeNs = BigInt(its.meta.mtimeS) * 1_000_000_000n + BigInt(its.meta.mtimeNs ?? 0);
    const names = 1 + [...links.values()].filter((target) => target === path).length;
    const subdirectories = [...nodes].filter(
      ([other, { kind }]) =>
        kind === "directory" && other.startsWith(`${path}/`) && !other.slice(path.length + 1).includes("/"),
    ).length;
    expect({
      mode: Number(stat.mode),
      uid: Number(stat.uid),
      gid: Number(stat.gid),
      mtimeNs: stat.mtimeNs,
      links: Number(stat.nlink),
    }).toEqual({
      mode: typeBits[its.kind] | its.meta.mode,
      uid: its.meta.uid,
      gid: its.meta.gid,
      mtimeNs,
      links: its.kind === "directory" ? 2 + subdirectories : names,
    });
    expect(stat.ctimeNs).toBe(BigInt(nowS) * 1_000_000_000n);
    if (its.kind === "symlink") expect(readlinkSync(at(path), { encoding: "buffer" })).toEqual(its.target);
    if (its.kind === "char") expect(Number(stat.rdev)).toBe(deviceOf(its.major, its.minor));
    if (its.kind === "file") {
      const whole = its.content.map((part) =>
        "hole" in part ? Buffer.alloc(part.hole) : Buffer.alloc(part.length, part.fill),
      );
      const expected = Buffer.concat(whole);
      expect(readFileSync(at(path)).equals(expected)).toBe(true);
      let filled = 0;
      for (let n = 0; n < expected.length; n += 4096)
        if (expected.subarray(n, n + 4096).some((byte) => byte !== 0)) filled += 1;
      // Beside its data a file has at most a block of the tree and one of attributes.
      expect(Number(stat.blocks) / 8).toBeGreaterThanOrEqual(filled);
      expect(Number(stat.blocks) / 8).toBeLessThanOrEqual(filled + 2);
    }
  }
  const described = [...nodes].filter(([, { kind }]) => kind === "file" || kind === "directory");
  const attributes = attributesOf(described.map(([path]) => at(path)));
  expect(attributes).toEqual(described.map(([, its]) => attributesSaid(its.meta)));
  for (const [path, target] of links) expect(lstatSync(at(path)).ino).toBe(lstatSync(at(target)).ino);
}

/** gnu_dev_makedev(3) */
const deviceOf = (major: number, minor: number) =>
  (minor & 0xff) + (major & 0xfff) * 256 + (minor & 0xfff00) * 4096;

const attributesSaid = (its: Meta) =>
  Object.fromEntries(
    (its.xattrs ?? []).map(({ name: key, value }) => [key, Buffer.from(value).toString("hex")]),
  );

/** getfattr(1) takes names as arguments, which cannot be any bytes here. */
function attributesOf(paths: readonly Buffer[]): Record<string, string>[] {
  const script = `
import json, os, sys
paths = sys.stdin.buffer.read().split(b"\\0")[:-1]
print(json.dumps([{n: os.getxattr(p, n).hex() for n in os.listxattr(p)} for p in paths]))`;
  const input = Buffer.concat(paths.flatMap((path) => [path, Buffer.alloc(1)]));
  const { stdout, status } = spawnSync("python3", ["-c", script], { input, encoding: "utf8" });
  expect(status).toBe(0);
  return JSON.parse(stdout);
}

describe.skipIf(toolsMissing)("a tree", () => {
  const disks = new Disks();
  afterAll(() => disks.end());

  test("of any names, kinds, contents and attributes is one that e2fsck has nothing to say about, and reads as it was written", async () => {
    await fc.assert(
      fc.asyncProperty(model, async (tree) => {
        const disk = await disks.filled(64 * MiB, (filler) => fill(filler, tree));
        expect(complaints(disk)).toBe("");
        if (mountMissing === undefined) mounted(disk, (root) => compare(root, tree));
      }),
      { numRuns: 25 },
    );
  });
});
