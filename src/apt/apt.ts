/**
 * The apt room: Debian packages from the machine's own mirror, with their signatures checked.
 *
 * Owns finding the mirror and private apt runs that leave the host's apt alone. Promises: nothing is fetched that the
 * Debian archive keyring does not vouch for. Never installs anything on the host.
 */

export { downloadPackage } from "./download.ts";
export { type DebianMirror, debianMirror } from "./mirror.ts";
