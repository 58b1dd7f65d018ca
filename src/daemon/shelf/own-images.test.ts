/** Images of one's own: what two callers, and callers with something wrong, leave behind. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failure, saying } from "../../oci/testing/failures.ts";
import { openState, type State } from "../../state/state.ts";
import { HeldKernels } from "./held-kernels.ts";
import { type OwnImages, type OwnImagesMeans, ownImages } from "./own-images.ts";

const kernel = { id: `sha256:${"c".repeat(64)}`, name: "generic" };
const ctx = { signal: new AbortController().signal, emit: () => {} };
let dir: string;
let state: State;
let imported: string[];
let own: OwnImages;

const stores = () => ({ images: join(dir, "images"), kernels: join(dir, "kernels") });

function means(): OwnImagesMeans {
  const stored = { ...kernel, arch: "amd64", release: "6.12.1", source: "", createdAt: "" } as const;
  const place = { directory: dir, vmlinux: "", modules: "" };
  return {
    ...{ paths: { state: dir, cache: dir, largerState: "" }, storeOnly: false },
    held: new HeldKernels(),
    kernelOf: async () => ({ ...stored, ...place }),
    importKernel: async (name) => {
      imported.push(name);
      return { ...stored, ...place, name };
    },
    dropKernel: async ({ name }) => {
      imported = imported.filter((each) => each !== name);
    },
  };
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-own-"));
  state = openState(join(dir, "banger.db"));
  imported = [];
  own = ownImages(state, stores(), means());
});
afterEach(() => {
  state.close();
  rmSync(dir, { recursive: true });
});

function rootfs(name: string): string {
  const path = join(dir, name);
  const bytes = Buffer.alloc(8192);
  bytes.writeUInt16LE(0xef53, 1024 + 0x38);
  writeFileSync(path, bytes);
  truncateSync(path, 1024 ** 2);
  return path;
}

const register = (name: string, file: string, more = {}) =>
  own.register({ name, rootfs: file, kernelRef: undefined, kernel: undefined, ...more }, ctx);

test("of two under one name at once there is one", async () => {
  const both = [register("twice", rootfs("a")), register("twice", rootfs("b"))];
  const ended = await Promise.all(both.map(failure));
  expect(ended.filter((error) => error === undefined).length).toBe(1);
  expect(ended.find((error) => error !== undefined)).toMatchObject({ code: "already_exists" });
  expect(readdirSync(join(dir, "images")).length).toBe(1);
  expect(await failure(register("twice", rootfs("c")))).toMatchObject(saying("already_exists", /already/));
});

test("a file that is no root file system is found out before its kernel is taken", async () => {
  writeFileSync(join(dir, "none"), "no ext4");
  const request = register("wrong", join(dir, "none"), { kernel: "/boot/vmlinuz" });
  expect(await failure(request)).toMatchObject({ code: "bad_request" });
  expect(imported).toEqual([]);
});

test("a kernel that was taken for an image goes again when there is no image of it", async () => {
  const aborted = { ...ctx, signal: AbortSignal.abort() };
  const copying = ownImages(state, stores(), { ...means(), storeOnly: true });
  const request = { name: "half", rootfs: rootfs("a"), kernelRef: undefined, kernel: "/boot/vmlinuz" };
  expect(await failure(copying.register(request, aborted))).toBeDefined();
  expect(imported).toEqual([]);
});

test("a promotion that was killed before its image had the name is done again", async () => {
  const { id } = await register("mine", rootfs("a"));
  const row = state.images.list().find(({ name }) => name === "mine");
  await own.promote("mine", ctx);
  if (row !== undefined) state.images.put(row);
  const promoted = await own.promote("mine", ctx);
  expect(promoted.id).not.toBe(id);
  expect(state.images.list().map((each) => each.id)).toEqual([promoted.id]);
});
