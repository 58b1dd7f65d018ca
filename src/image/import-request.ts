/** What an import is asked for, and what it may ask in turn. */
import type { ImageName, RegistryOptions } from "../oci/oci.ts";

export interface ImageImport {
  from: ImageName;
  /** In the store. */
  name: string;
  /** What is told of where it came from; undefined: what `from` means. */
  recordedAs: string | undefined;
  /** Of the root file system; undefined: what the content asks for. */
  sizeBytes: number | undefined;
  /** The kernel that its VMs boot; asked for when the image is known to be there, because it may have to be made. */
  kernel(): Promise<ImportedKernel>;
  /** banger's cache directory. */
  cache: string;
  registry: RegistryOptions;
  signal: AbortSignal;
  /** Throws no_space when the cache, or the store, has no room for so many bytes. */
  needSpace(where: "cache" | "store", bytes: number): Promise<void>;
  progress(part: ImportPart, done: number, total: number): void;
}

/** Finding out what the image is; fetching what is missing of it; reading its layers and writing the root. In bytes. */
export type ImportPart = "manifest" | "layers" | "root";

export interface ImportedKernel {
  id: string;
  name: string;
}
