/**
 * The trees room: files and trees of this host made into archives for guests, and archives of guests made into files here.
 *
 * Promises: what a guest sends is hostile and ends up below the directory that was named, and nowhere else: no link is gone
 * through, nothing but files, directories and links is made, no set-id bit is taken over, and what has its name is whole.
 * Never follows a symbolic link below what it was told to read. Knows no guest and no daemon, and loads no package.
 */
export { asideName, removeAbandoned } from "./aside.ts";
export { contentOf } from "./content.ts";
export { type GuestPathKind, pathKindOf } from "./kind.ts";
export { type HostTree, type PackOptions, tarOfTrees } from "./pack.ts";
export { relayTar } from "./relay.ts";
export { type TreeTarget, TreeUnpacker, type UnpackOptions } from "./unpack.ts";
