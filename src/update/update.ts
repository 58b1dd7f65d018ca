/**
 * The update room: from the version of banger that is installed to another one.
 *
 * Owns how releases are read and believed (manifest, checksums, signature), what was seen of them before, and the change: one
 * link, written down before, tried, and taken back. Promises: nothing of a release is run or unpacked before its signature and
 * its checksum are right; at every instant the link leads to one whole version; what fails leaves the old one, running. Never
 * asks for anything by itself: only when its user does.
 */
export { runUpdate, type Told, type Updated, type UpdateRequest, type UpdateWorld } from "./run-update.ts";
export type { UnderWay } from "./services.ts";
export { systemServices } from "./system-services.ts";
export { userServices } from "./user-services.ts";
export { within } from "./within.ts";
