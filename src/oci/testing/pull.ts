/** Pulling in tests: everything with its defaults, and servers that are given up on soon. */
import type { Patience } from "../../download/download.ts";
import {
  type CredentialSource,
  type FetchedImage,
  fetchImage,
  imageLimits,
  type Limits,
  mergeLayers,
  openSource,
  parseImageName,
  pinnedDigest,
  type RootTotals,
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

export async function fetchForTest(name: string, options: PullOptions): Promise<FetchedImage> {
  const parsed = parseImageName(name);
  const signal = options.signal ?? new AbortController().signal;
  const patience = { ...hasty, ...options.patience };
  const credentials = options.credentials ?? (async () => undefined);
  const source = await openSource(
    parsed,
    {
      ...{ credentials, insecureHttp: options.insecureHttp ?? false, patience },
      authorities: async () => options.authorities,
    },
    signal,
  );
  try {
    return await fetchImage({
      ...{ source, pinned: pinnedDigest(parsed), cache: options.cache, patience, signal },
      limits: { ...imageLimits, ...options.limits },
      needSpace: options.needSpace ?? (async () => {}),
      progress: { layers: options.onLayers ?? (() => {}) },
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
  const image = await fetchForTest(name, options);
  try {
    const merged = await mergeLayers({
      layers: image.layers,
      limits: { ...imageLimits, ...options.limits },
      signal: options.signal ?? new AbortController().signal,
      progress: () => {},
      onDamaged: async () => {},
    });
    const root = rootListing();
    await merged.write(root);
    return { root, totals: merged.totals };
  } finally {
    await image.close();
  }
}
