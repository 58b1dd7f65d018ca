/** In Bun's node:zlib, but not yet in its types. */
import type { Transform } from "node:stream";
import type { ZlibOptions } from "node:zlib";

declare module "node:zlib" {
  function createZstdDecompress(options?: Pick<ZlibOptions, "chunkSize">): Transform;
}
