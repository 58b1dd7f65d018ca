/** Images of one's own: what two callers, and callers with something wrong, leave behind. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failure, saying } from "../../oci/testing/failures.ts";
import { openState, type State } from "../../state/state.ts";
import { type OwnImages, ownImages } from "./own-images.ts";

const kernel = { id: `sha256:${"c".repeat(64)}`, name: "generic" };
const ctx = { signal: new AbortController().signal, emit: () => {} };
let dir: string;
let state: State;
let imported: string[];
let own: OwnImages;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-own-"));
  state = openState(join(dir, "banger.db"));
  imported = [];
  const stored = { ...kernel, arch: "amd64", release: "6.12.1", source: "", createdAt: "" } as const;
  const place = { directory: dir, vmlinux: "", modules: "" };
  own = ownImages(
    state,
    { images: join(dir, "images"), kernels: join(dir, "kernels") },
    {
      ...{ paths: { state: dir, cache: dir, largerState: "" }, storeOnly: false },
      kernelOf: async () => ({ ...stored, ...place }),
      importKernel: async (name) => {
        imported.push(name);
        return { ...stored, ...place };
      },
    },
  );
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
