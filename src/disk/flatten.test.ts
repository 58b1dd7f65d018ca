import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createLayer, flattenDisk } from "./disk.ts";

const MiB = 1024 ** 2;
const signal = new AbortController().signal;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-flatten-"));
});
afterEach(() => rmSync(dir, { recursive: true }));
const path = (name: string) => join(dir, name);

/** Writes into a layer as QEMU does. */
function qemuIo(layer: string, ...commands: string[]): void {
  const words = commands.flatMap((command) => ["-c", command]);
  const { exitCode, stdout, stderr } = Bun.spawnSync(["qemu-io", "-f", "qcow2", ...words, layer]);
  if (exitCode !== 0) throw new Error(`qemu-io: ${stdout} ${stderr}`);
}

test("layers over layers are what QEMU says that they are", async () => {
  writeFileSync(path("base"), Buffer.alloc(3 * MiB, "base"));
  truncateSync(path("base"), 700 * MiB);
  await createLayer(path("one"), { path: path("base"), format: "raw" }, {});
  qemuIo(path("one"), "write -P 0x11 1M 200k", "write -P 0x12 600M 64k");
  await createLayer(path("two"), { path: path("one"), format: "qcow2" }, {});
  qemuIo(path("two"), "write -P 0x21 1100k 10k", "write -z 0 128k", "write -P 0x22 699M 1M");
  await flattenDisk({ path: path("two"), format: "qcow2" }, path("flat"), { durable: false, signal });
  const compared = Bun.spawnSync([
    "qemu-img",
    "compare",
    "-f",
    "raw",
    "-F",
    "qcow2",
    path("flat"),
    path("two"),
  ]);
  expect(compared.stdout.toString()).toContain("identical");
  expect(
    Number(
      Bun.spawnSync(["du", "-k", path("flat")])
        .stdout.toString()
        .split("\t")[0],
    ),
  ).toBeLessThan(6000);
});

/** A store as the kernel writes it: header, exceptions, data. */
function store(exceptions: [number, string][], { valid = 1, chunk = 4096 } = {}): Buffer {
  const perArea = chunk / 16;
  const areas = Math.ceil((exceptions.length + 1) / perArea);
  const bytes = Buffer.alloc((1 + areas * (perArea + 1)) * chunk);
  bytes.writeUInt32LE(0x70416e53, 0);
  bytes.writeUInt32LE(valid, 4);
  bytes.writeUInt32LE(1, 8);
  bytes.writeUInt32LE(chunk / 512, 12);
  exceptions.forEach(([old, content], index) => {
    const area = Math.floor(index / perArea);
    const areaChunk = 1 + area * (perArea + 1);
    const copy = areaChunk + 1 + (index % perArea);
    bytes.writeBigUInt64LE(BigInt(old), areaChunk * chunk + (index % perArea) * 16);
    bytes.writeBigUInt64LE(BigInt(copy), areaChunk * chunk + (index % perArea) * 16 + 8);
    bytes.fill(content, copy * chunk, (copy + 1) * chunk);
  });
  return bytes;
}

test("a snapshot's store covers its base, over more than one area of exceptions", async () => {
  const base = Buffer.alloc(2 * MiB, "base");
  writeFileSync(path("base"), base);
  const exceptions = Array.from({ length: 300 }, (_, n): [number, string] => [(n * 7) % 512, String(n % 10)]);
  writeFileSync(path("store"), store(exceptions));
  await flattenDisk({ store: path("store"), base: path("base") }, path("flat"), { durable: false, signal });
  const wanted = Buffer.from(base);
  for (const [chunk, content] of exceptions) wanted.fill(content, chunk * 4096, (chunk + 1) * 4096);
  expect(readFileSync(path("flat")).equals(wanted)).toBe(true);
});

test("a store that was never used shows the base; one that overflowed, or is none, is refused", async () => {
  writeFileSync(path("base"), "base");
  const flat = () =>
    flattenDisk({ store: path("store"), base: path("base") }, path("flat"), { durable: false, signal });
  writeFileSync(path("store"), Buffer.alloc(8192));
  await flat();
  expect(readFileSync(path("flat"), "utf8")).toBe("base");
  writeFileSync(path("store"), store([[0, "x"]], { valid: 0 }));
  expect(flat()).rejects.toThrow("overflowed");
  writeFileSync(path("store"), Buffer.alloc(8192, "x"));
  expect(flat()).rejects.toThrow("damaged");
});
