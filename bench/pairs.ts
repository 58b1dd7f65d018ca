/** Measuring in interleaved pairs: machines drift, ratios of neighbours drift less. */
export interface Arm {
  name: string;
  /** One measurement, in ms. */
  run(): Promise<number>;
}

export interface PairResult {
  a: number;
  b: number;
  /** Median of a/b pair by pair, with the smallest and the largest. */
  ratio: { median: number; min: number; max: number };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((x, y) => x - y);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A B B A A B ...: one warm-up of each, then `pairs` pairs. Nothing is dropped. */
export async function comparePairs(a: Arm, b: Arm, pairs: number): Promise<PairResult> {
  await a.run();
  await b.run();
  const seen: { a: number; b: number }[] = [];
  for (let index = 0; index < pairs; index += 1) {
    if (index % 2 === 0) {
      const first = await a.run();
      seen.push({ a: first, b: await b.run() });
    } else {
      const first = await b.run();
      seen.push({ a: await a.run(), b: first });
    }
    const last = seen.at(-1);
    process.stderr.write(`  ${a.name} ${last?.a.toFixed(0)} ms, ${b.name} ${last?.b.toFixed(0)} ms\n`);
  }
  return pairResult(seen);
}

export function pairResult(seen: readonly { a: number; b: number }[]): PairResult {
  const ratios = seen.map((pair) => pair.a / pair.b);
  return {
    a: median(seen.map((pair) => pair.a)),
    b: median(seen.map((pair) => pair.b)),
    ratio: { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) },
  };
}
