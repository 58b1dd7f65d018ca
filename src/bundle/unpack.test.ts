/** Unpacking alone: what is in a bundle besides what it says. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failure, saying } from "../oci/testing/failures.ts";
import { type TarSpec, tar } from "../oci/testing/tar-writer.ts";
import { kernelBundle, unpackBundle } from "./bundle.ts";

const release = "6.12.1";
const id = `sha256:${"b".repeat(64)}`;
const said = { version: 1, kind: "kernel", id, name: "k", arch: "amd64", release, source: "s" };
const head: TarSpec = { path: "manifest.json", content: JSON.stringify(said) };
const vmlinux: TarSpec = { path: "vmlinux", content: "ELF" };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "banger-unpack-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const unpacked = (archive: Buffer) => unpackedFrom(Bun.zstdCompressSync(archive));

async function unpackedFrom(packed: Uint8Array) {
  const chunks = (async function* () {
    yield packed;
  })();
  const { signal } = new AbortController();
  return await unpackBundle({ chunks, shape: kernelBundle, directory, maxBytes: 1024 ** 2, signal });
}

test("the last record's filling is nothing, and more than that is refused", async () => {
  const archive = tar([head, vmlinux]);
  expect((await unpacked(Buffer.concat([archive, Buffer.alloc(10_240)]))).release).toBe(release);
  rmSync(join(directory, "vmlinux"));
  const endless = Buffer.concat([archive, Buffer.alloc(16 * 1024 ** 2)]);
  expect(await failure(unpacked(endless))).toMatchObject(saying("corrupt", /goes on behind its end/));
});

test("a file and a directory in one place are refused in words", async () => {
  const place = `modules/${release}/x`;
  const both = [
    { path: place, content: "a" },
    { path: `${place}/y`, content: "b" },
  ];
  for (const members of [both, both.toReversed()]) {
    const error = await failure(unpacked(tar([head, vmlinux, ...members])));
    expect(error).toMatchObject(saying("corrupt", /two things in one place/));
    for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
  }
});

/** By zstd(1), which packs bundles: with a checksum, unless it is told otherwise. */
function packed(option: "--check" | "--no-check", archive = tar([head, vmlinux])): Buffer {
  const { stdout, error } = spawnSync("zstd", ["-q", "-c", option], { input: archive });
  if (error !== undefined) throw error;
  return stdout;
}

function forgetMembers(): void {
  for (const name of readdirSync(directory)) rmSync(join(directory, name), { recursive: true });
}

test.each(["--check", "--no-check"] as const)(
  "a frame that is cut off is refused, at its last byte too (%s)",
  async (option) => {
    const whole = packed(option);
    for (let length = 0; length < whole.length; length += 1) {
      expect(await failure(unpackedFrom(whole.subarray(0, length))), `at ${length}`).toMatchObject(
        saying("corrupt", /no zstd/),
      );
      forgetMembers();
    }
    expect((await unpackedFrom(whole)).release).toBe(release);
  },
);

test.each(["--check", "--no-check"] as const)(
  "what is behind the last frame is refused (%s)",
  async (option) => {
    const whole = packed(option);
    for (const more of [Buffer.from("garbage!"), Buffer.alloc(1), Buffer.alloc(512), whole.subarray(0, 5)]) {
      expect(await failure(unpackedFrom(Buffer.concat([whole, more])))).toMatchObject(
        saying("corrupt", /no zstd/),
      );
      forgetMembers();
    }
  },
);

test("frames may follow each other, and some be skipped", async () => {
  const archive = tar([head, vmlinux]);
  const skipped = Buffer.from("502a4d1804000000deadbeef", "hex");
  const [one, two] = [
    packed("--check", archive.subarray(0, 700)),
    packed("--no-check", archive.subarray(700)),
  ];
  const frames = Buffer.concat([skipped, one, skipped, two, skipped]);
  expect((await unpackedFrom(frames)).release).toBe(release);
});

test("what is in a member's place already is neither written to nor followed", async () => {
  const outside = mkdtempSync(join(tmpdir(), "banger-outside-"));
  try {
    const theirs = join(outside, "theirs");
    const place = join(directory, "vmlinux");
    writeFileSync(theirs, "as it was");
    const plants = [
      () => writeFileSync(place, "as it was"),
      () => symlinkSync(theirs, place),
      () => symlinkSync(join(outside, "new"), place),
      () => mkdirSync(place),
    ];
    for (const plant of plants) {
      plant();
      expect(await failure(unpacked(tar([head, vmlinux])))).toMatchObject(
        saying("corrupt", /two things in one place/),
      );
      if (plant === plants[0]) expect(readFileSync(place, "utf8")).toBe("as it was");
      rmSync(place, { recursive: true });
    }
    expect(readdirSync(outside)).toEqual(["theirs"]);
    expect(readFileSync(theirs, "utf8")).toBe("as it was");
  } finally {
    rmSync(outside, { recursive: true });
  }
});
