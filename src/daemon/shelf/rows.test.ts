/** Names of stored images and kernels: the directories are the truth. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openState, type State } from "../../state/state.ts";
import { adoptKernel, reconcileRows } from "./rows.ts";

let dir: string;
let state: State;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-rows-"));
  state = openState(join(dir, "banger.db"));
});
afterEach(() => {
  state.close();
  rmSync(dir, { recursive: true });
});

test("what is put into the store by hand is found without a restart of the daemon", async () => {
  const stores = { images: join(dir, "images"), kernels: join(dir, "kernels") };
  await reconcileRows(state, stores);
  expect(await adoptKernel(state, stores, "restored")).toBeUndefined();
  const digest = "a".repeat(64);
  mkdirSync(join(stores.kernels, digest), { recursive: true });
  writeFileSync(
    join(stores.kernels, digest, "manifest.json"),
    JSON.stringify({
      ...{ id: `sha256:${digest}`, name: "restored", arch: "amd64", release: "6.1.0", source: "a backup" },
      createdAt: "2026-11-28T00:00:00Z",
    }),
  );
  expect(await adoptKernel(state, stores, "restored")).toMatchObject({ name: "restored", release: "6.1.0" });
});
