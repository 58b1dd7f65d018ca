/** Container images by reference: which of the store's is meant. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { failure, saying } from "../../oci/testing/failures.ts";
import { openState, type State } from "../../state/state.ts";
import { HeldKernels } from "./held-kernels.ts";
import { type ImageImports, imageImports } from "./imports.ts";

const ctx = { signal: new AbortController().signal, emit: () => {} };
let dir: string;
let state: State;
let imports: ImageImports;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-imports-"));
  state = openState(join(dir, "banger.db"));
  imports = imageImports(
    state,
    { images: join(dir, "images"), kernels: join(dir, "kernels") },
    {
      paths: { state: dir, cache: dir, largerState: "" },
      kernelOf: () => Promise.reject(new Error("no kernel is needed")),
      held: new HeldKernels(),
    },
  );
});
afterEach(() => {
  state.close();
  rmSync(dir, { recursive: true });
});

/** An image of the store; `digit` makes its digest. */
function stored(digit: string, name: string, day: number, more = {}) {
  const directory = join(dir, "images", digit.repeat(64));
  mkdirSync(directory, { recursive: true });
  const id = `sha256:${digit.repeat(64)}`;
  const oci = {
    ...{ reference: "docker.io/library/debian:trixie", digest: id, workingDir: "", user: "" },
    ...{ env: [], entrypoint: [], cmd: [] },
  };
  const manifest = {
    ...{
      id,
      name,
      distro: "debian",
      arch: "amd64",
      kernel: { id, name: "k" },
      rootfsBytes: 1,
      rootfsModifiedMs: 1,
    },
    ...{ createdAt: `2026-11-0${day}T00:00:00Z`, oci, ...more },
  };
  writeFileSync(join(directory, "manifest.json"), JSON.stringify(manifest));
  state.images.put({ name, id, directory, createdAt: manifest.createdAt });
}

test("a reference means the newest image that was pulled by it, however it is written and called", async () => {
  stored("a", "old", 1);
  stored("b", "provisioned", 3, { origin: { kind: "provisioned" } });
  stored("c", "saved-of-it", 4, { origin: { kind: "saved", vm: "x" } });
  for (const ref of ["debian:trixie", "docker.io/library/debian:trixie"])
    expect(await imports.byReference(ref, ctx)).toMatchObject({ name: "provisioned" });
});

test("another one is pulled, under its own name", async () => {
  stored("a", "debian-bullseye", 1);
  const taken = await failure(imports.byReference("debian:bullseye", ctx));
  expect(taken).toMatchObject(saying("already_exists", /there is an image debian-bullseye already/));
  const nowhere = await failure(imports.byReference(`oci:${dir}/nothing:t`, ctx));
  expect(nowhere).toMatchObject({ code: "not_found" });
  expect(await failure(imports.byReference("a/B:c", ctx))).toMatchObject({ code: "bad_request" });
});
