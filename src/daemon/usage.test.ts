import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { imageCatalog } from "../catalog/catalog.ts";
import type { Parts } from "./parts.ts";
import { diskUsage } from "./usage.ts";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-usage-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

test("the default image's kernel is needed before there is the image", async () => {
  const [recipe] = imageCatalog;
  const kernel = (name = "") => ({ id: `sha256:${name}`, name, sizeBytes: 1, imported: false });
  // Only what is asked of them is there.
  const parts = {
    paths: { vm: { vms: dir }, checkpoints: dir },
    config: { default_image_name: recipe?.name },
    vms: { list: () => [], live: { snapshots: () => [] } },
    templates: { list: async () => [] },
    images: {
      current: async () => undefined,
      listImages: async () => [],
      listKernels: async () => [kernel(recipe?.kernel), kernel("another")],
      pruneCache: async () => ({ blobs: 0, bytes: 0 }),
    },
  };
  const usage = await diskUsage(parts as unknown as Parts);
  const kernels = usage.parts.find(({ what }) => what === "kernel");
  expect(kernels?.unused.map(({ name }) => name)).toEqual(["another"]);
});
