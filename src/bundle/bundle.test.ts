import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { httpFile, localFile, type Patience } from "../download/download.ts";
import { failure, saying } from "../oci/testing/failures.ts";
import { sendBlob } from "../oci/testing/registry.ts";
import { type TarSpec, tar } from "../oci/testing/tar-writer.ts";
import { imageBundle, kernelBundle, type PackRequest, packBundle, pullBundle } from "./bundle.ts";

const patience: Patience = { silenceMs: 500, slowMs: 60_000, slowBytes: 1, pauseMs: 1 };
const signal = new AbortController().signal;
const MiB = 1024 ** 2;

let dir: string;
let server: Server | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-bundle-"));
});
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
  rmSync(dir, { recursive: true });
});

const manifest: PackRequest["manifest"] = {
  ...{ version: 1, kind: "image", name: "team", revision: 0, distro: "debian", arch: "amd64" },
  kernel: { id: `sha256:${"a".repeat(64)}`, name: "generic" },
  rootfsBytes: 64 * MiB,
  seed: [{ path: ".profile", mode: 0o644, base64: Buffer.from("hello").toString("base64") }],
};

/** 64 MiB, of which two pieces are there: bytes that cannot be packed. */
async function sparseRootfs(): Promise<string> {
  const place = join(dir, "image");
  mkdirSync(place, { recursive: true });
  const file = await open(join(place, "rootfs.ext4"), "w");
  const noise = Buffer.alloc(2 * MiB);
  for (let at = 0; at < noise.length; at += 32)
    createHash("sha256").update(String(at)).digest().copy(noise, at);
  await file.write(noise, 0, noise.length, 4096);
  await file.write(noise, 0, noise.length, 50 * MiB);
  await file.truncate(64 * MiB);
  await file.close();
  return place;
}

async function packed(level = 3) {
  const directory = await sparseRootfs();
  return await packBundle({ manifest, directory, members: ["rootfs.ext4"], into: dir, level, signal });
}

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<URL> {
  const listening = createServer(answer);
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  return new URL(`http://127.0.0.1:${(listening.address() as AddressInfo).port}/bundle`);
}

function pull(bundle: { sha256: string; size: number; unpackedBytes: number }, url: URL | string) {
  const source =
    url instanceof URL ? httpFile({ url, patience, authorities: async () => undefined }) : localFile(url);
  return pullBundle(
    {
      ...{ source, sha256: bundle.sha256, size: bundle.size, unpackedBytes: bundle.unpackedBytes },
      ...{ shape: imageBundle, cache: join(dir, "cache"), patience, signal, progress: () => {} },
    },
    async () => {
      mkdirSync(join(dir, "out"));
      return join(dir, "out");
    },
  );
}

const cached = () =>
  existsSync(join(dir, "cache"))
    ? readdirSync(join(dir, "cache"), { recursive: true, encoding: "utf8" }).filter(
        (name) => /[0-9a-f]{64}/.test(name) && !name.endsWith(".lock"),
      )
    : [];

describe("a bundle", () => {
  test("gives back what it was made of, with its holes, and leaves no copy of itself", async () => {
    const bundle = await packed();
    expect(bundle.name).toBe(`team-amd64-${bundle.sha256.slice(0, 12)}.tar.zst`);
    const got = await pull(bundle, bundle.path);
    expect(got.manifest).toEqual(manifest as typeof got.manifest);
    expect(readdirSync(got.directory)).toEqual(["rootfs.ext4"]);
    const [made, original] = [join(got.directory, "rootfs.ext4"), join(dir, "image/rootfs.ext4")];
    expect(Buffer.compare(readFileSync(made), readFileSync(original))).toBe(0);
    expect(statSync(made).blocks * 512).toBeLessThan(5 * MiB);
    expect(cached()).toEqual([]);
  });

  test("is the same whenever it is made", async () => {
    const first = await packed();
    rmSync(join(dir, "image"), { recursive: true });
    expect((await packed()).sha256).toBe(first.sha256);
    expect(readdirSync(dir).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("may have zeros in place of holes", async () => {
    const archive = tar([
      { path: "manifest.json", content: JSON.stringify({ ...manifest, rootfsBytes: MiB }) },
      { path: "rootfs.ext4", content: Buffer.concat([Buffer.alloc(MiB - 1), Buffer.from("x")]) },
    ]);
    const { directory } = await pull(...file(Bun.zstdCompressSync(archive)));
    const found = statSync(join(directory, "rootfs.ext4"));
    expect([found.size, found.blocks * 512]).toEqual([MiB, 4096]);
  });
});

/** A bundle of these bytes, and where it is. */
function file(bytes: Uint8Array, unpackedBytes = MiB): [Parameters<typeof pull>[0], string] {
  const path = join(dir, "bundle");
  writeFileSync(path, bytes);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return [{ sha256, size: bytes.length, unpackedBytes }, path];
}

describe("a download", () => {
  test("that breaks goes on where it broke", async () => {
    const bundle = await packed();
    const bytes = readFileSync(bundle.path);
    const ranges: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      ranges.push(request.headers.range);
      if (ranges.length > 3) return void sendBlob(response, bytes, request.headers.range);
      const from = Number(/\d+/.exec(request.headers.range ?? "")?.[0] ?? 0);
      response.writeHead(from === 0 ? 200 : 206, {
        "content-length": bytes.length - from,
        ...(from === 0 ? {} : { "content-range": `bytes ${from}-${bytes.length - 1}/${bytes.length}` }),
      });
      response.write(bytes.subarray(from, from + 400_000), () => response.destroy());
    });
    const { directory } = await pull(bundle, url);
    expect(
      readFileSync(join(directory, "rootfs.ext4")).equals(readFileSync(join(dir, "image/rootfs.ext4"))),
    ).toBe(true);
    expect(ranges.length).toBe(4);
    expect(ranges[0]).toBeUndefined();
    expect(ranges[3]).toMatch(/^bytes=[1-9]/);
  });

  test("that was given up is taken up by the next one; a part of something else is not believed", async () => {
    const bundle = await packed();
    const bytes = readFileSync(bundle.path);
    let half = true;
    const ranges: (string | undefined)[] = [];
    const url = await serve((request, response) => {
      ranges.push(request.headers.range);
      if (!half) return void sendBlob(response, bytes, request.headers.range);
      if (request.headers.range !== undefined) return void response.destroy();
      response.writeHead(200, { "content-length": bytes.length });
      response.write(bytes.subarray(0, 1_000_000), () => response.destroy());
    });
    expect(await failure(pull(bundle, url))).toMatchObject({ code: "unavailable" });
    expect(existsSync(join(dir, "out"))).toBe(false);
    expect(cached()).toEqual([expect.stringContaining(".partial")]);
    half = false;
    ranges.length = 0;
    await pull(bundle, url);
    expect(ranges).toEqual([expect.stringMatching(/^bytes=[1-9]/)]);

    rmSync(join(dir, "out"), { recursive: true });
    const place = join(dir, "cache/oci/blobs/sha256");
    writeFileSync(join(place, `.${bundle.sha256}.partial`), Buffer.alloc(1_500_000, "other"));
    const { directory } = await pull(bundle, url);
    expect(
      readFileSync(join(directory, "rootfs.ext4")).equals(readFileSync(join(dir, "image/rootfs.ext4"))),
    ).toBe(true);
  });

  test.each([
    [404, "not_found"],
    [403, "unavailable"],
    [500, "unavailable"],
  ])("that is answered with %i is %s", async (status, code) => {
    const url = await serve((_, response) => response.writeHead(status).end());
    expect(await failure(pull({ sha256: "0".repeat(64), size: 10, unpackedBytes: 10 }, url))).toMatchObject({
      code,
    });
  });

  test("of another file than its digest says is refused, and nothing is left of it", async () => {
    const bundle = await packed();
    const bytes = readFileSync(bundle.path);
    const other = { ...bundle, sha256: "0".repeat(64) };
    const url = await serve((request, response) => void sendBlob(response, bytes, request.headers.range));
    expect(await failure(pull(other, url))).toMatchObject(saying("corrupt", /another one/));
    expect(await failure(pull({ ...bundle, size: bundle.size - 1 }, url))).toMatchObject({ code: "corrupt" });
    expect(existsSync(join(dir, "out"))).toBe(false);
    expect(cached()).toEqual([]);
  });
});

describe("refused, and nothing left:", () => {
  const head: TarSpec = { path: "manifest.json", content: JSON.stringify({ ...manifest, rootfsBytes: 4 }) };
  const rootfs: TarSpec = { path: "rootfs.ext4", content: "ext4" };
  const seed = (path: string) =>
    JSON.stringify({ ...manifest, rootfsBytes: 4, seed: [{ path, mode: 0o644, base64: "" }] });
  test.each<[string, TarSpec[], RegExp]>([
    ["no manifest", [rootfs], /no manifest.json is before it/],
    ["a manifest behind", [rootfs, head], /no manifest.json is before it/],
    ["nothing at all", [], /no manifest.json/],
    ["no root file system", [head], /no rootfs.ext4/],
    ["another member", [head, rootfs, { path: "extra" }], /that no bundle has/],
    ["a member twice", [head, rootfs, rootfs], /there twice/],
    ["a way out", [head, rootfs, { path: "../x" }], /that no bundle has/],
    ["an absolute name", [head, { path: "/rootfs.ext4", content: "ext4" }], /that no bundle has/],
    ["a link", [head, { path: "rootfs.ext4", type: "2", link: "/etc/passwd" }], /it is a symlink/],
    ["a hard link", [head, { path: "rootfs.ext4", type: "1", link: "manifest.json" }], /it is a hardlink/],
    ["a device", [head, { path: "rootfs.ext4", type: "4" }], /it is a block/],
    ["a larger one than said", [head, { path: "rootfs.ext4", content: "ext4!" }], /more than/],
    ["a manifest that is no JSON", [{ path: "manifest.json", content: "{" }, rootfs], /no JSON/],
    [
      "one of a kernel",
      [{ path: "manifest.json", content: '{"version":1,"kind":"kernel"}' }],
      /none of its kind/,
    ],
    ["a seed that leads out", [{ path: "manifest.json", content: seed("a/../../x") }, rootfs], /seed/],
    ["an absolute seed", [{ path: "manifest.json", content: seed("/etc/x") }, rootfs], /seed/],
  ])("%s", async (_, entries, message) => {
    const made = file(Bun.zstdCompressSync(tar(entries)));
    expect(await failure(pull(...made))).toMatchObject(saying("corrupt", message));
    expect(existsSync(join(dir, "out"))).toBe(false);
    expect(existsSync(join(dir, "x"))).toBe(false);
  });

  test("more content than its catalog says", async () => {
    const content = Buffer.alloc(80 * MiB, "x");
    const entries = [
      { path: "manifest.json", content: JSON.stringify({ ...manifest, rootfsBytes: content.length }) },
      { path: "rootfs.ext4", content },
    ];
    const made = file(Bun.zstdCompressSync(tar(entries)));
    expect(await failure(pull(...made))).toMatchObject(saying("corrupt", /unpacks to more than/));
  });

  test("one that was cut off before its digest was taken, wherever it was", async () => {
    const whole = Bun.zstdCompressSync(tar([head, rootfs]));
    for (let length = 0; length < whole.length; length += 1) {
      const failed = await failure(pull(...file(whole.subarray(0, length))));
      expect(failed).toMatchObject({ code: "corrupt" });
    }
  });

  test("what is no zstd", async () => {
    expect(await failure(pull(...file(tar([head, rootfs]))))).toMatchObject(saying("corrupt", /no zstd/));
  });
});

test("a kernel's bundle has modules of its release, and no other files", async () => {
  const id = `sha256:${"b".repeat(64)}`;
  const said = { version: 1, kind: "kernel", id, name: "k", arch: "amd64", release: "6.12.1", source: "s" };
  const pullKernel = (entries: TarSpec[]) => {
    const [bundle, path] = file(
      Bun.zstdCompressSync(tar([{ path: "manifest.json", content: JSON.stringify(said) }, ...entries])),
    );
    const request = { ...bundle, source: localFile(path), shape: kernelBundle, cache: join(dir, "cache") };
    return pullBundle({ ...request, patience, signal, progress: () => {} }, async () => {
      mkdirSync(join(dir, "out"));
      return join(dir, "out");
    });
  };
  const vmlinux = { path: "vmlinux", content: "ELF" };
  const { directory } = await pullKernel([vmlinux, { path: "modules/6.12.1/kernel/a.ko", content: "a" }]);
  expect(readFileSync(join(directory, "modules/6.12.1/kernel/a.ko"), "utf8")).toBe("a");
  rmSync(directory, { recursive: true });
  for (const path of ["modules/6.12.2/a.ko", "modules/6.12.1/../../x", "initrd.img", "modules/6.12.1/"])
    expect(await failure(pullKernel([vmlinux, { path, content: "a" }]))).toMatchObject({ code: "corrupt" });
  expect(existsSync(join(dir, "out"))).toBe(false);
});

test("a local bundle is not waited for when it is a pipe, and one of another size is another one", async () => {
  const fifo = join(dir, "fifo");
  Bun.spawnSync(["mkfifo", fifo]);
  const size = 10;
  expect(await failure(pull({ sha256: "0".repeat(64), size, unpackedBytes: 1 }, fifo))).toMatchObject({
    code: "corrupt",
  });
  const [bundle, path] = file(Buffer.from("0123456789"));
  truncateSync(path, 5);
  expect(await failure(pull(bundle, path))).toMatchObject(saying("corrupt", /5 bytes/));
});
