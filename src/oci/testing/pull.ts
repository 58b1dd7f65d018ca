/** Pulling in tests: everything with its defaults, and servers that are given up on soon. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Patience } from "../../download/download.ts";
import {
  type CredentialSource,
  type FetchedLayer,
  fetchLayers,
  imageLimits,
  type Limits,
  mergeLayers,
  openSource,
  parseImageName,
  pinnedDigest,
  type Reading,
  type ResolvedImage,
  type RootTotals,
  resolveImage,
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

/** `onLayer`: as fetchLayers has it; all layers are wanted. */
export async function fetchForTest(
  name: string,
  options: PullOptions,
  onLayer: (layer: FetchedLayer, number: number) => Promise<void> = async () => {},
): Promise<ResolvedImage> {
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
    const fetching = { source, cache: options.cache, patience, signal };
    const limits = { ...imageLimits, ...options.limits };
    const image = await resolveImage({ ...fetching, pinned: pinnedDigest(parsed), limits });
    await fetchLayers({
      ...fetching,
      layers: image.layers.map((layer, number) => ({ ...layer, number })),
      needSpace: options.needSpace ?? (async () => {}),
      onProgress: options.onLayers ?? (() => {}),
      onLayer,
    });
    return image;
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
    const { config } = await fetchForTest(name, options, (layer, number) => flattening.add(layer, number));
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

  async add(layer: FetchedLayer, number: number): Promise<void> {
    const listing = join(this.#dir, String(number));
    this.#listings[number] = listing;
    const { onDamaged, signal } = this;
    const content = this.#root.contents(number);
    await unpackLayer(layer, { reading: this.#reading, content, listing, onDamaged, signal });
  }

  async finish(workingDir = "", reserved: ReadonlySet<string> = new Set()): Promise<Flattened> {
    const { limits, signal } = this;
    const merged = await mergeLayers({ listings: this.#listings, workingDir, reserved, limits, signal });
    await merged.write(this.#root);
    return { root: this.#root, totals: merged.totals };
  }

  close(): void {
    rmSync(this.#dir, { recursive: true });
  }
}
