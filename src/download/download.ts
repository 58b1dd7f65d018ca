/**
 * The download room: content by its digest, out of what can break, lie or stand still.
 *
 * Owns the cache of blobs, the fetching into it, GET with its redirects, proxies and authorities, and how long servers are
 * waited for. Promises: what bears a digest's name in the cache is what the digest says; an interrupted download goes on
 * where it was; nothing is spoken in plain http with a machine that was not named for it. Does not know what blobs are of.
 */
export { trustedAuthorities } from "./authorities.ts";
export { forgetBeginning, forgetBlob, hasBlob } from "./cache.ts";
export {
  Digest,
  digestOfFile,
  digestParts,
  endHash,
  hashFor,
  sha256Of,
  shortDigest,
} from "./digest.ts";
export { type BlobId, type BlobRequest, type BlobSource, type BlobStream, fetchBlob } from "./fetch-blob.ts";
export { type Answer, get, isLoopback } from "./http.ts";
export { blobFrom, type HttpFile, httpFile, pauseAsked, refused, refusesPart } from "./http-blob.ts";
export { Interrupted } from "./interrupted.ts";
export { localFile } from "./local-blob.ts";
export { attempts, type Patience, patience } from "./patience.ts";
export { type Pruned, pruneBlobs } from "./prune.ts";
export { readBounded } from "./read-bounded.ts";
export { isSigned, signatureKey } from "./signature.ts";
export { StartedOver, streamBlob } from "./stream-blob.ts";
