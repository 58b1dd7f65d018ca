/** Pulling in tests: everything with its defaults, and servers that are given up on soon. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Patience } from "../../download/download.ts";
import {
  type CredentialSource,
  type FetchedImage,
  type FetchedLayer,
  fetchImage,
  imageLimits,
  type Limits,
  mergeLayers,
  openSource,
  parseImageName,
  pinnedDigest,
  type Reading,
  type RootTotals,
  unpackLayer,
} from "../oci.ts";
import { type RootListing, rootListing } from "./memory-sink.ts";

/** Long enough for a busy machine: what is tested is what is done then, not when. */
export const hasty: Patience = { silenceMs: 20_000, slowMs: 60_000, slowBytes: 1, pauseMs: 1 };

export interface PullOptions {
  cache: string;
  credentials?: CredentialSource;
  limits?: Partial<Limits>;
  patience?: Partial<Patience>;
  insecureHttp?: boolean;
  authorities?: string;
  signal?: AbortSignal;
  needSpace?: (bytes: number) => Promise<void>;
  onLayers?: (done: number, total: number) => void;
}

/** `onLayer`: as fetchImage has it; all layers are wanted. */
export async function fetchForTest(
  name: string,
  options: PullOptions,
  onLayer: (layer: FetchedLayer, index: number) => Promise<void> = async () => {},
): Promise<FetchedImage> {
  const parsed = parseImageName(name);
  const signal = options.signal ?? new AbortController().signal;
  const patience = { ...hasty, ...options.patience };
  const credentials = options.credentials ?? (async () => undefined);
  const source = await openSource(
    parsed,
    {
      credentials,
      insecureHttp: options.insecureHttp ?? false,
      patience,
      authorities: async () => options.authorities,
    },
    signal,
  );
  try {
    return await fetchImage({
      source,
      pinned: pinnedDigest(parsed),
      cache: options.cache,
      patience,
      signal,
      limits: { ...imageLimits, ...options.limits },
      needSpace: options.needSpace ?? (async () => {}),
      progress: { layers: options.onLayers ?? (() => {}) },
      choose: async (layers) => layers.map(() => true),
      onLayer,
    });
  } finally {
    await source.close();
  }
}

export interface Flattened {
  root: RootListing;
  totals: RootTotals;
}

/** Fetches and flattens. */
export async function pullForTest(name: string, options: PullOptions): Promise<Flattened> {
  const signal = options.signal ?? new AbortController().signal;
  const flattening = new Flattening({ ...imageLimits, ...options.limits }, signal);
  try {
    const { config } = await fetchForTest(name, options, (layer, index) => flattening.add(layer, index));
    return await flattening.finish(config.config?.WorkingDir ?? "");
  } finally {
    flattening.close();
  }
}

/** Layers on their way to a root in memory. */
export class Flattening {
  readonly #dir = mkdtempSync(join(tmpdir(), "banger-oci-listings-"));
  readonly #root = rootListing();
  readonly #listings: string[] = [];
  readonly #reading: Reading;

  constructor(
    readonly limits: Limits,
    readonly signal: AbortSignal,
    readonly onDamaged: (layer: FetchedLayer) => Promise<void> = async () => {},
  ) {
    this.#reading = { limits, unpackedBytes: 0, entries: 0, onPacked: () => {}, needRoom: async () => {} };
  }

  async add(layer: FetchedLayer, index: number): Promise<void> {
    const listing = join(this.#dir, String(index));
    this.#listings[index] = listing;
    const { onDamaged, signal } = this;
    const content = this.#root.contents(index);
    await unpackLayer(layer, { reading: this.#reading, content, listing, onDamaged, signal });
  }

  async finish(workingDir = ""): Promise<Flattened> {
    const { limits, signal } = this;
    const merged = await mergeLayers({ listings: this.#listings, workingDir, limits, signal });
    await merged.write(this.#root);
    return { root: this.#root, totals: merged.totals };
  }

  close(): void {
    rmSync(this.#dir, { recursive: true });
  }
}
