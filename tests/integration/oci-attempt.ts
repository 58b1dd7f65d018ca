/** One image, unpacked by us and by umoci(1). */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { buildImage, writeLayout } from "../../src/oci/testing/image-builder.ts";
import type { RootListing } from "../../src/oci/testing/memory-sink.ts";
import { pullForTest } from "../../src/oci/testing/pull.ts";
import { type TarSpec, tar } from "../../src/oci/testing/tar-writer.ts";
import { listTree } from "./oci-tree.ts";

export interface Attempt {
  /** Undefined when it was refused. */
  ours: string[] | undefined;
  theirs: string[] | undefined;
  root: RootListing | undefined;
  /** Why we refused it. */
  error: unknown;
}

/** Leaves nothing in `dir`. */
export async function attemptIn(dir: string, layers: readonly (readonly TarSpec[])[]): Promise<Attempt> {
  const layout = join(dir, "layout");
  writeLayout(layout, buildImage(layers.map(tar), "plain"));
  let error: unknown;
  const root = await pullForTest(`oci:${layout}:t`, { cache: join(dir, "cache") }).then(
    (pulled) => pulled.root,
    (reason: unknown) => {
      error = reason;
      return undefined;
    },
  );
  const bundle = join(dir, "bundle");
  const run = Bun.spawnSync(["umoci", "unpack", "--image", `${layout}:t`, bundle]);
  const theirs = run.exitCode === 0 ? listTree(join(bundle, "rootfs")) : undefined;
  for (const name of ["layout", "cache", "bundle"]) rmSync(join(dir, name), { recursive: true, force: true });
  return { ours: timeless(root?.lines()), theirs: timeless(theirs), root, error };
}

/** umoci makes directories that a layer leaves out with the time of day. */
export function timeless(lines: string[] | undefined): string[] | undefined {
  return lines?.map((line) => (/ directory[ (]/.test(line) ? line.replace(/ @\d+(\.\d+)?/, "") : line));
}
