/** A banger of its own, and a layout from which it is to pull what it must refuse. */
import { expect } from "bun:test";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { file } from "../../src/oci/testing/flatten.ts";
import { type BuiltImage, blob, buildImage, writeLayout } from "../../src/oci/testing/image-builder.ts";
import { tar } from "../../src/oci/testing/tar-writer.ts";
import { type OciBed, ociBed } from "./oci-registry.ts";

export interface HostileBed extends OciBed {
  layout: string;
  put(image: BuiltImage): void;
  /** Pulls what must be refused: with status 1, in one line, within so many seconds, and leaving nothing. Its error. */
  refused(seconds: number): string;
  /** The most memory that the daemon has had. */
  peakMiB(): number;
}

export async function hostileBed(): Promise<HostileBed> {
  const bed = await ociBed();
  const layout = join(bed.dir, "layout");
  const put = (image: BuiltImage) => {
    rmSync(layout, { recursive: true, force: true });
    writeLayout(layout, image);
  };
  put(buildImage([tar([file("a")])]));
  expect(bed.banger("image", "pull", "oci:layout:t", "--name", "honest").status).toBe(0);
  return {
    ...{ ...bed, layout, put },
    refused: (seconds) => refused(bed, seconds),
    peakMiB: () => {
      const { pid } = JSON.parse(bed.banger("daemon", "status", "--json").out);
      return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024;
    },
  };
}

/** An image of one packed layer, whose configuration says what it unpacks to. */
export function ofLayer(bytes: Buffer, diffId: string, type: string): BuiltImage {
  const config = { rootfs: { type: "layers", diff_ids: [diffId] } };
  return buildImage([Buffer.alloc(0)], "plain", { config, layers: [blob(type, bytes)] });
}

function refused({ dir, banger }: OciBed, seconds: number): string {
  const [before, outside] = [kept(dir), readdirSync(dir)];
  const started = performance.now();
  const { status, out, err } = banger("image", "pull", "oci:layout:t", "--name", "hostile");
  expect(status, err).toBe(1);
  expect(performance.now() - started).toBeLessThan(seconds * 1000);
  expect(out).toBe("");
  expect(kept(dir)).toEqual(before);
  expect(readdirSync(dir)).toEqual(outside);
  expect(err.split("\n").filter((line) => line.startsWith("banger: "))).toHaveLength(1);
  return err;
}

/** Images and blobs, but for those that are whole, which are what the cache is for. */
function kept(dir: string): string[] {
  return [join(dir, "state/banger/images"), join(dir, "cache/banger/oci")]
    .flatMap((place) => readdirSync(place, { recursive: true, encoding: "utf8" }))
    .filter((name) => !/^blobs\/sha256\/[0-9a-f]{64}$/.test(name));
}
