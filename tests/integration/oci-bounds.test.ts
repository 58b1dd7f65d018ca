/** Layers that are made to fill a disk or a memory, and names that mean something to somebody else. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { directory, file, hardlink, symlink } from "../../src/oci/testing/flatten.ts";
import { buildImage, digestOf } from "../../src/oci/testing/image-builder.ts";
import { tar } from "../../src/oci/testing/tar-writer.ts";
import { block, end, member, padded, pax } from "../../src/tar/testing/archive.ts";
import { complaints, GiB, mounted, mountMissing } from "./ext4-fixture.ts";
import { type HostileBed, hostileBed, ofLayer } from "./oci-hostile.ts";
import { listTree } from "./oci-tree.ts";

const zstdType = "application/vnd.oci.image.layer.v1.tar+zstd";

let bed: HostileBed;
beforeAll(async () => {
  bed = await hostileBed();
});
afterAll(() => bed.end());

describe("10 GB of zeros", () => {
  test("in a sparse file are a file of that size, which takes no room", () => {
    const size = 10 * GiB;
    const map = pax({
      "GNU.sparse.major": "1",
      "GNU.sparse.minor": "0",
      "GNU.sparse.realsize": String(size),
    });
    const layer = Buffer.concat([map, member({ name: "zeros" }, padded(Buffer.from("1\n0\n0\n"))), end]);
    bed.put(buildImage([layer], "plain"));
    const started = performance.now();
    const { status, err } = bed.banger("image", "pull", "oci:layout:t", "--name", "sparse");
    expect(status, err).toBe(0);
    expect(performance.now() - started).toBeLessThan(60_000);
    const rootfs = join(JSON.parse(bed.banger("image", "show", "sparse").out).path, "rootfs.ext4");
    expect(complaints(rootfs)).toBe("");
    expect(statSync(rootfs).blocks * 512).toBeLessThan(512 * 1024 ** 2);
    const said = Bun.spawnSync(["debugfs", "-R", "stat /zeros", rootfs]).stdout.toString();
    expect(said).toContain(`Size: ${size}`);
    expect(said).toContain("Blockcount: 0");
    expect(bed.banger("image", "delete", "sparse").status).toBe(0);
  });

  test("of which no file system has that many are refused", () => {
    const map = pax({
      "GNU.sparse.major": "1",
      "GNU.sparse.minor": "0",
      "GNU.sparse.realsize": String(2 ** 46),
    });
    const layer = Buffer.concat([map, member({ name: "zeros" }, padded(Buffer.from("1\n0\n0\n"))), end]);
    bed.put(buildImage([layer], "plain"));
    expect(bed.refused(60)).toMatch(/no file system here is that large/);
  });

  test("in a small layer are refused when it has unpacked to what no honest one does", () => {
    const size = (10 * GiB).toString(8).padStart(11, "0").slice(0, 12);
    const frame = Bun.zstdCompressSync(Buffer.alloc(64 * 1024 ** 2));
    const head = Bun.zstdCompressSync(member({ name: "zeros", size: Buffer.from(size) }));
    const frames = Array.from({ length: 160 }, () => frame);
    bed.put(
      ofLayer(
        Buffer.concat([head, ...frames, Bun.zstdCompressSync(end)]),
        digestOf(Buffer.from("any")),
        zstdType,
      ),
    );
    expect(bed.refused(120)).toMatch(/unpacks from \S+ to more than 1(\.0)?G[\s\S]*made to fill a disk/);
    expect(bed.peakMiB()).toBeLessThan(300);
  });
});

describe("a million entries", () => {
  const each = 10_000;
  /** Headers of empty files, whose names `nameOf` makes: 7 bytes, of which the checksum is kept in step. */
  function frame(from: number, nameOf: (n: number) => string): Uint8Array {
    const headers = Buffer.alloc(each * 512);
    const template = block({ name: "0000000" });
    const sum = Number.parseInt(template.toString("latin1", 148, 154), 8) - 7 * 0x30;
    for (let n = 0; n < each; n += 1) {
      const at = n * 512;
      const name = nameOf(from + n);
      let own = sum;
      template.copy(headers, at);
      for (let digit = 0; digit < 7; digit += 1) own += headers[at + digit] = name.charCodeAt(digit);
      headers.write(own.toString(8).padStart(6, "0"), at + 148, "latin1");
    }
    return Bun.zstdCompressSync(headers);
  }

  test.each([
    ["of a million names", (n: number) => String(n).padStart(7, "0")],
    ["of one name", () => "thename"],
  ])("%s are refused when half of them have been seen", (_, nameOf) => {
    const frames = Array.from({ length: 100 }, (_frame, n) => frame(n * each, nameOf));
    bed.put(
      ofLayer(Buffer.concat([...frames, Bun.zstdCompressSync(end)]), digestOf(Buffer.from("any")), zstdType),
    );
    expect(bed.refused(120)).toContain("layers have more than 500000 entries");
    expect(bed.peakMiB()).toBeLessThan(512);
  });
});

test.if(mountMissing === undefined)("names are bytes, whatever they would mean to somebody else", () => {
  mkdirSync(join(bed.dir, "bundles"), { recursive: true });
  const names = [
    ...[
      "new\nline",
      "tab\there",
      "quote'and\"quote",
      "back\\slash",
      "$(id)`id`;&|<>*?[a]{b}",
      "-rf",
      " ",
      "~",
    ],
    ...[
      "\xff\xfe",
      "caf\xe9",
      "\xed\xa0\x80",
      "\x1b[31m",
      "\x7f\x01",
      "n".repeat(255),
      "%s%n",
      "#",
      "a:b",
      "...",
    ],
  ];
  const layer = names.flatMap((name, n) => [
    file(name, `content ${n}`),
    ...[directory(`d${n}/`), symlink(`d${n}/${name}`, name), hardlink(`d${n}/hard`, name)],
  ]);
  bed.put(buildImage([tar([directory("./"), ...layer])]));
  const { status, err } = bed.banger("image", "pull", "oci:layout:t", "--name", "names");
  expect(status, err).toBe(0);
  const bundle = join(bed.dir, "bundles/names");
  expect(Bun.spawnSync(["umoci", "unpack", "--image", `${bed.layout}:t`, bundle]).exitCode).toBe(0);
  const rootfs = join(JSON.parse(bed.banger("image", "show", "names").out).path, "rootfs.ext4");
  expect(complaints(rootfs)).toBe("");
  const ours = mounted(rootfs, (root) => listTree(root).filter((line) => !line.startsWith("/lost+found ")));
  expect(ours).toEqual(listTree(join(bundle, "rootfs")));
});
