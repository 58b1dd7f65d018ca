import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packBundle } from "../bundle/bundle.ts";
import { localFile } from "../download/download.ts";
import { failure, saying } from "../oci/testing/failures.ts";
import { pullImage } from "./pull-image.ts";
import { readImage } from "./store.ts";

const signal = new AbortController().signal;
const kernel = { id: `sha256:${"a".repeat(64)}`, name: "generic" };
const [rootfsBytes, workBytes] = [64 * 1024, 32 * 1024];

/** As far as a look at it goes: ext4's magic number where the superblock has it. */
function ext4Like(bytes: number): Buffer {
  const disk = Buffer.alloc(bytes);
  disk.writeUInt16LE(0xef53, 1024 + 0x38);
  return disk;
}

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-pull-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Of a bundle whose manifest says the sizes above. */
async function pulled(rootfs: Buffer, work?: Buffer): Promise<string> {
  const directory = join(dir, "members");
  mkdirSync(directory);
  writeFileSync(join(directory, "rootfs.ext4"), rootfs);
  if (work !== undefined) writeFileSync(join(directory, "work.ext4"), work);
  const { path, sha256, size, unpackedBytes } = await packBundle({
    manifest: {
      version: 1,
      kind: "image",
      name: "team",
      revision: 0,
      distro: "debian",
      arch: "amd64",
      kernel,
      rootfsBytes,
      ...(work === undefined ? { seed: [] } : { seed: [], workBytes }),
    },
    directory,
    members: ["rootfs.ext4", ...(work === undefined ? [] : ["work.ext4"])],
    into: dir,
    level: 1,
    signal,
  });
  const pull = {
    source: localFile(path),
    sha256,
    size,
    unpackedBytes,
    cache: join(dir, "cache"),
    patience: { silenceMs: 500, slowMs: 60_000, slowBytes: 1, pauseMs: 1 },
    signal,
    progress: () => {},
    name: "team",
    from: path,
    kernel: async () => kernel,
  };
  return await pullImage(pull, join(dir, "images"));
}

describe("a bundle's root file system", () => {
  test("becomes the image's, with its work disk", async () => {
    const directory = await pulled(ext4Like(rootfsBytes), ext4Like(workBytes));
    const id = `sha256:${directory.split("/").at(-1)}`;
    expect(await readImage(join(dir, "images"), id)).toMatchObject({ name: "team", rootfsBytes, workBytes });
  });

  const rootfsLies: [string, Buffer][] = [
    ["is shorter than its manifest says", ext4Like(rootfsBytes - 4096)],
    ["is no ext4", Buffer.alloc(rootfsBytes, "x")],
  ];
  test.each(rootfsLies)("that %s is refused, and nothing is left", async (_, rootfs) => {
    expect(await failure(pulled(rootfs))).toMatchObject(
      saying("corrupt", /rootfs\.ext4 is not the file system that its manifest says/),
    );
    expect(readdirSync(join(dir, "images"))).toEqual([]);
  });

  const workLies: [string, Buffer][] = [
    ["is shorter than its manifest says", ext4Like(workBytes - 4096)],
    ["is no ext4", Buffer.alloc(workBytes, "x")],
  ];
  test.each(workLies)("is refused with a work disk that %s", async (_, work) => {
    expect(await failure(pulled(ext4Like(rootfsBytes), work))).toMatchObject(
      saying("corrupt", /work\.ext4 is not the work disk that its manifest says/),
    );
    expect(readdirSync(join(dir, "images"))).toEqual([]);
  });
});
