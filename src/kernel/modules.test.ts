/** Which modules a guest gets: none of a kernel that has none. */
import { afterAll, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { moduleClosure } from "./modules.ts";

const scratch = mkdtempSync(join(tmpdir(), "banger-modules-"));
const modules = join(scratch, "6.1.0");
const wanted = ["virtio_blk", "virtio_net"];

beforeEach(() => rmSync(modules, { recursive: true, force: true }));
afterAll(() => rmSync(scratch, { recursive: true }));

function put(path: string, content: string): void {
  mkdirSync(dirname(join(modules, path)), { recursive: true });
  writeFileSync(join(modules, path), content);
}

async function names(): Promise<string[]> {
  return (await moduleClosure(modules, wanted)).map(({ name }) => name);
}

test("what a module needs is loaded before it, however its file is named", async () => {
  put("kernel/drivers/block/virtio_blk.ko", "ELF\0depends=\0");
  put("kernel/drivers/net/virtio_net.ko", "ELF\0depends=net-failover\0");
  put("kernel/drivers/net/net_failover.ko", "ELF\0depends=failover\0");
  put("kernel/net/core/failover.ko", "ELF\0");
  expect(await names()).toEqual(["virtio_blk", "failover", "net_failover", "virtio_net"]);
});

test("what is built in is not loaded", async () => {
  put("kernel/drivers/net/virtio_net.ko", "ELF\0depends=virtio-blk\0");
  put("modules.builtin", "kernel/drivers/block/virtio-blk.ko\n");
  expect(await names()).toEqual(["virtio_net"]);
});

test("a kernel whose list of modules is all that it has needs none", async () => {
  put("modules.builtin", "kernel/drivers/block/virtio_blk.ko\nkernel/drivers/net/virtio_net.ko\n");
  expect(await names()).toEqual([]);
});

test("a kernel without modules needs none: no directory, or an empty one", async () => {
  expect(await names()).toEqual([]);
  mkdirSync(modules);
  expect(await names()).toEqual([]);
});

test("a kernel that has modules, but not this one, is damaged", async () => {
  put("kernel/drivers/block/virtio_blk.ko", "ELF\0");
  await expect(names()).rejects.toThrow("the kernel has no module virtio_net");
});

test("a directory that cannot be read is no kernel without modules", async () => {
  writeFileSync(modules, "");
  await expect(names()).rejects.toThrow("ENOTDIR");
});
