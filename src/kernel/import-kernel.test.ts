import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { gzipSync } from "node:zlib";
import { failure, saying } from "../oci/testing/failures.ts";
import { importKernel } from "./import-kernel.ts";
import { readKernel, settleReplaced } from "./store.ts";

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-kernel-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

const release = "6.12.1-team";

/** An ELF header, a banner and a PVH note: all that is looked at. */
function vmlinux({ machine = 62, banner = `Linux version ${release} (a@b) gcc`, pvh = true } = {}): Buffer {
  const bytes = Buffer.alloc(8192);
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]).copy(bytes);
  bytes.writeUInt16LE(machine, 18);
  bytes.write(banner, 1000, "latin1");
  if (pvh) Buffer.from([4, 0, 0, 0, 4, 0, 0, 0, 18, 0, 0, 0, 0x58, 0x65, 0x6e, 0]).copy(bytes, 4096);
  return bytes;
}

/** As the kernel's build makes it, with one sector of set-up. */
function bzImage(payload: Uint8Array, size: number): Buffer {
  const sized = Buffer.alloc(4);
  sized.writeUInt32LE(size);
  const body = Buffer.concat([payload, sized]);
  const head = Buffer.alloc(1024);
  head[0x1f1] = 1;
  head.write("HdrS", 0x202, "latin1");
  head.writeUInt32LE(0, 0x248);
  head.writeUInt32LE(body.length, 0x24c);
  return Buffer.concat([head, body]);
}

const xz = (bytes: Buffer) =>
  Buffer.from(Bun.spawnSync(["xz", "-c", "--check=crc32"], { stdin: bytes }).stdout);

async function imported(from: string) {
  const kernels = join(dir, "kernels");
  const request = { name: "team", from, needSpace: async () => {}, signal: new AbortController().signal };
  const directory = await importKernel(request, kernels);
  return await readKernel(kernels, `sha256:${directory.split("/").at(-1)}`);
}

describe("a kernel's file", () => {
  const packed: [string, (bytes: Buffer) => Uint8Array][] = [
    ["gzip", (bytes) => gzipSync(bytes)],
    ["zstd", (bytes) => Bun.zstdCompressSync(bytes)],
    ["xz", xz],
  ];

  test.each(packed)("may be a bzImage that is packed with %s", async (_, pack) => {
    const file = join(dir, "vmlinuz");
    writeFileSync(file, bzImage(pack(vmlinux()), vmlinux().length));
    const kernel = await imported(file);
    expect(kernel).toMatchObject({ name: "team", release, source: file });
    expect(readFileSync(kernel.vmlinux).equals(vmlinux())).toBe(true);
  });

  test.each(packed)("is refused when it was cut off in %s", async (_, pack) => {
    const whole = pack(vmlinux());
    for (const length of [0, 5, whole.length >> 1, whole.length - 1]) {
      writeFileSync(join(dir, "vmlinuz"), bzImage(whole.subarray(0, length), vmlinux().length));
      expect(await failure(imported(join(dir, "vmlinuz")))).toBeDefined();
    }
    expect(readdirSync(join(dir, "kernels"))).toEqual([]);
  });

  test.each([
    ["for another processor", vmlinux({ machine: 183 }), "corrupt", /x86-64/],
    ["that is no kernel", vmlinux({ banner: "hello" }), "corrupt", /which version/],
    ["without the entry that QEMU needs", vmlinux({ pvh: false }), "corrupt", /CONFIG_PVH/],
    ["that is empty", Buffer.alloc(0), "corrupt", /no kernel/],
    ["whose name is a way out", vmlinux({ banner: "Linux version .. (a@b)" }), "corrupt", /which version/],
    [
      "with more blocks than it has content",
      // Each of them was given 8 MiB: a file of a megabyte held the daemon for a quarter of an hour.
      bzImage(
        Buffer.concat([
          Buffer.from("02214c18", "hex"),
          Buffer.alloc(1_000_000, Buffer.from([1, 0, 0, 0, 0])),
        ]),
        100,
      ),
      "corrupt",
      /a block without content/,
    ],
    ["packed in another way", bzImage(Buffer.from("BZh91AY&SY"), 100), "precondition", /not read here/],
    ["larger than any", bzImage(gzipSync(vmlinux()), 2 ** 31), "corrupt", /more than any/],
  ])("%s is refused", async (_, bytes, code, message) => {
    writeFileSync(join(dir, "kernel"), bytes);
    const failed = await failure(imported(join(dir, "kernel")));
    expect(failed).toMatchObject({ code });
    expect(`${failed} ${JSON.stringify(failed)}`).toMatch(message);
    expect(readdirSync(join(dir, "kernels"))).toEqual([]);
  });

  test("may not be a pipe", async () => {
    Bun.spawnSync(["mkfifo", join(dir, "fifo")]);
    expect(await failure(imported(join(dir, "fifo")))).toMatchObject({ code: "corrupt" });
  });
});

describe("a directory", () => {
  test("brings its modules, unpacked, and no links", async () => {
    const from = join(dir, "from");
    const modules = join(from, "lib/modules", release, "kernel/fs");
    mkdirSync(modules, { recursive: true });
    mkdirSync(join(from, "boot"));
    writeFileSync(join(from, "boot", `vmlinuz-${release}`), bzImage(gzipSync(vmlinux()), vmlinux().length));
    writeFileSync(join(modules, "a.ko"), "plain");
    writeFileSync(join(modules, "b.ko.gz"), gzipSync("from gzip"));
    writeFileSync(join(modules, "c.ko.zst"), Bun.zstdCompressSync("from zstd"));
    writeFileSync(join(modules, "d.ko.xz"), xz(Buffer.from("from xz")));
    symlinkSync("/usr/src/linux", join(from, "lib/modules", release, "build"));
    const kernel = await imported(from);
    expect(readdirSync(kernel.modules)).toEqual(["kernel"]);
    const content = Object.fromEntries(
      readdirSync(join(kernel.modules, "kernel/fs")).map((name) => [
        name,
        readFileSync(join(kernel.modules, "kernel/fs", name), "utf8"),
      ]),
    );
    expect(content).toEqual({ "a.ko": "plain", "b.ko": "from gzip", "c.ko": "from zstd", "d.ko": "from xz" });
  });

  test("whose modules are another's in truth has them copied; what unpacks to more than any module has is refused", async () => {
    const from = join(dir, "from");
    mkdirSync(join(from, "lib/modules"), { recursive: true });
    mkdirSync(join(dir, "elsewhere"));
    writeFileSync(join(from, "vmlinux"), vmlinux());
    symlinkSync(join(dir, "elsewhere"), join(from, "lib/modules", release));
    writeFileSync(join(dir, "elsewhere/a.ko.xz"), xz(Buffer.from("a module")));
    expect(readdirSync((await imported(from)).modules)).toEqual(["a.ko"]);
    rmSync(join(dir, "kernels"), { recursive: true });
    writeFileSync(join(dir, "elsewhere/a.ko.xz"), xz(Buffer.alloc(129 * 1024 ** 2)));
    expect(await failure(imported(from))).toMatchObject(saying("corrupt", /more than any has/));
    expect(readdirSync(join(dir, "kernels"))).toEqual([]);
  });

  test.each([
    ["a.ko.zst", Bun.zstdCompressSync(Buffer.alloc(300_000, "module"))],
    ["a.ko.gz", gzipSync(Buffer.alloc(300_000, "module"))],
    ["a.ko.xz", xz(Buffer.alloc(300_000, "module"))],
  ])("whose module %s is cut off is refused", async (name, packed) => {
    const from = join(dir, "from");
    mkdirSync(join(from, "lib/modules", release), { recursive: true });
    writeFileSync(join(from, "vmlinux"), vmlinux());
    for (const end of [packed.length - 1, packed.length - 3, packed.length >> 1]) {
      writeFileSync(join(from, "lib/modules", release, name), packed.subarray(0, end));
      expect(await failure(imported(from))).toMatchObject(saying("corrupt", /cannot be unpacked/));
      expect(readdirSync(join(dir, "kernels"))).toEqual([]);
    }
  });

  test("is measured without what its links lead to, and has neither pipes nor directories for modules", async () => {
    const from = join(dir, "from");
    const modules = join(from, "lib/modules", release);
    mkdirSync(join(modules, "a.ko.gz"), { recursive: true });
    mkdirSync(join(dir, "linux"));
    writeFileSync(join(from, "vmlinux"), vmlinux());
    writeFileSync(join(dir, "linux/vmlinux.o"), "");
    // Where it was built there is more than modules take.
    truncateSync(join(dir, "linux/vmlinux.o"), 3 * 1024 ** 3);
    symlinkSync(join(dir, "linux"), join(modules, "build"));
    symlinkSync(".", join(modules, "loop"));
    Bun.spawnSync(["mkfifo", join(modules, "modules.builtin"), join(modules, "b.ko.xz")]);
    expect(readdirSync((await imported(from)).modules)).toEqual(["a.ko.gz"]);
  });

  test("that has a module twice is refused", async () => {
    const from = join(dir, "from");
    mkdirSync(join(from, "lib/modules", release), { recursive: true });
    writeFileSync(join(from, "vmlinux"), vmlinux());
    writeFileSync(join(from, "lib/modules", release, "a.ko"), "plain");
    writeFileSync(join(from, "lib/modules", release, "a.ko.gz"), gzipSync("packed"));
    expect(await failure(imported(from))).toMatchObject(saying("corrupt", /there twice/));
  });

  test("whose kernel has its ext4 as a module is refused", async () => {
    const modules = join(dir, "from/modules", release);
    mkdirSync(modules, { recursive: true });
    writeFileSync(join(dir, "from/vmlinux"), vmlinux());
    writeFileSync(join(modules, "modules.builtin"), "kernel/fs/ext2/ext2.ko\n");
    expect(await failure(imported(join(dir, "from")))).toMatchObject(
      saying("precondition", /ext4 as a module/),
    );
    writeFileSync(join(modules, "modules.builtin"), "kernel/fs/ext4/ext4.ko\n");
    expect((await imported(join(dir, "from"))).release).toBe(release);
  });

  test("takes the place of the same kernel with other modules, and of what cannot be read", async () => {
    const modules = join(dir, "from/modules", release);
    mkdirSync(modules, { recursive: true });
    writeFileSync(join(dir, "from/vmlinux"), vmlinux());
    writeFileSync(join(modules, "a.ko"), "first");
    const { directory } = await imported(join(dir, "from"));
    writeFileSync(join(modules, "a.ko"), "second");
    expect(readFileSync(join((await imported(join(dir, "from"))).modules, "a.ko"), "utf8")).toBe("second");
    writeFileSync(join(directory, "manifest.json"), "{");
    expect((await imported(join(dir, "from"))).release).toBe(release);
    expect(readdirSync(join(dir, "kernels")).length).toBe(1);
  });

  test("with several kernels is asked which; one with none is told what was looked for", async () => {
    writeFileSync(join(dir, "vmlinuz-1"), "");
    writeFileSync(join(dir, "vmlinuz-2"), "");
    expect(await failure(imported(dir))).toMatchObject(saying("precondition", /several kernels/));
    mkdirSync(join(dir, "empty"));
    expect(await failure(imported(join(dir, "empty")))).toMatchObject(
      saying("not_found", /no vmlinux, vmlinuz/),
    );
    expect(await failure(imported(join(dir, "nowhere")))).toMatchObject({ code: "not_found" });
  });
});

test("a kernel whose place another was to take is there again, when that one never came", async () => {
  const from = join(dir, "vmlinux");
  writeFileSync(from, vmlinux());
  const store = join(dir, "store");
  const asked = { name: "team", from, needSpace: async () => {}, signal: new AbortController().signal };
  const place = await importKernel(asked, store);
  const digest = basename(place);
  const aside = join(store, `.replaced-${digest}`);
  // Killed between the two renames; then, after the second.
  renameSync(place, aside);
  await settleReplaced(store);
  expect(readdirSync(store)).toEqual([digest]);
  cpSync(place, aside, { recursive: true });
  await settleReplaced(store);
  expect(readdirSync(store)).toEqual([digest]);
  await importKernel(asked, store);
  expect(readdirSync(store)).toEqual([digest]);
  expect((await readKernel(store, `sha256:${digest}`)).name).toBe("team");
});
