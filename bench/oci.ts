/** Pulls of container images: by banger, and by skopeo, umoci and mke2fs, each with nothing in its directories. */
import { builtLayout, MiB, type OciBed, ociBed, settle, type Taken } from "./oci-bed.ts";
import { median, type PairResult, pairResult } from "./pairs.ts";

export interface OciPairs {
  /** The first image by banger / by the tools. */
  first: PairResult;
  /** Another that shares its base, where the first is in the store / the first; both by banger. */
  second: PairResult;
  /** The second by banger / by the tools, whose layout has the shared layers. */
  secondByTools: PairResult;
  disk: { banger: number; tools: number };
  memory: { banger: number; tools: number };
}

const tags = ["first", "second"] as const;

/** A B B A ..., like comparePairs; each of the pairs is of two images. One of each to warm up. */
export async function compareOci(pairs: number): Promise<OciPairs> {
  const bed = await ociBed({ [builtLayout("oci-image.sh")]: tags });
  try {
    const { rootBytes } = await byBanger(bed);
    const seen: { a: Taken[]; b: Taken[] }[] = [];
    for (let index = -1; index < pairs; index += 1) {
      const bangerFirst = index % 2 === 0;
      const early = bangerFirst ? (await byBanger(bed)).taken : await byTools(bed, rootBytes);
      const late = bangerFirst ? await byTools(bed, rootBytes) : (await byBanger(bed)).taken;
      const pair = bangerFirst ? { a: early, b: late } : { a: late, b: early };
      process.stderr.write(`  ${shown("banger", pair.a)}; ${shown("tools", pair.b)}\n`);
      if (index >= 0) seen.push(pair);
    }
    const ratio = (a: (pair: (typeof seen)[0]) => Taken | undefined, b: typeof a) =>
      pairResult(seen.map((pair) => ({ a: a(pair)?.ms ?? 0, b: b(pair)?.ms ?? 0 })));
    const most = (
      of: (pair: (typeof seen)[0]) => Taken[],
      what: "diskBytes" | "memoryBytes",
      image?: number,
    ) =>
      median(
        seen.map((pair) =>
          Math.max(
            ...of(pair)
              .slice(0, image)
              .map((taken) => taken[what]),
          ),
        ),
      );
    return {
      first: ratio(
        ({ a }) => a[0],
        ({ b }) => b[0],
      ),
      second: ratio(
        ({ a }) => a[1],
        ({ a }) => a[0],
      ),
      secondByTools: ratio(
        ({ a }) => a[1],
        ({ b }) => b[1],
      ),
      disk: { banger: most(({ a }) => a, "diskBytes", 1), tools: most(({ b }) => b, "diskBytes", 1) },
      memory: { banger: most(({ a }) => a, "memoryBytes"), tools: most(({ b }) => b, "memoryBytes") },
    };
  } finally {
    await bed.end();
  }
}

async function byBanger(bed: OciBed): Promise<{ taken: Taken[]; rootBytes: number[] }> {
  const banger = bed.fresh();
  const taken: Taken[] = [];
  const rootBytes: number[] = [];
  try {
    for (const tag of tags) {
      settle();
      taken.push(await banger.pull(tag));
      rootBytes.push(banger.rootBytes(tag));
    }
  } finally {
    banger.end();
  }
  return { taken, rootBytes };
}

async function byTools(bed: OciBed, rootBytes: readonly number[]): Promise<Taken[]> {
  const tools = bed.tools();
  const taken: Taken[] = [];
  try {
    for (const [n, tag] of tags.entries()) {
      settle();
      taken.push(await tools.unpack(tag, rootBytes[n] ?? 0));
    }
  } finally {
    tools.end();
  }
  return taken;
}

function shown(who: string, taken: readonly Taken[]): string {
  const figures = taken.map(
    ({ ms, diskBytes, memoryBytes }) =>
      `${ms.toFixed(0)} ms (disk ${(diskBytes / MiB).toFixed(0)} MiB, memory ${(memoryBytes / MiB).toFixed(0)} MiB)`,
  );
  return `${who} ${figures.join(", then ")}`;
}

/** Peak memory of a daemon that pulls one image, by the image. */
export async function ociMemory(): Promise<{ image: string; ms: number; memoryBytes: number }[]> {
  const images = ["large-100", "large-300", "large-1000", "files-100000", "files-480000"];
  const bed = await ociBed({ [builtLayout("oci-sizes.sh")]: images });
  const figures = [];
  try {
    for (const image of images) {
      const banger = bed.fresh();
      settle();
      const { ms, memoryBytes } = await banger.pull(image);
      banger.end();
      figures.push({ image, ms, memoryBytes });
      process.stderr.write(`  ${image}: ${ms.toFixed(0)} ms, ${(memoryBytes / MiB).toFixed(0)} MiB\n`);
    }
  } finally {
    await bed.end();
  }
  return figures;
}
