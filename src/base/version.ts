/** What was stamped into this executable when it was built; a run from source says so. */

declare const BANGER_VERSION: string | undefined;
declare const BANGER_COMMIT: string | undefined;
declare const BANGER_BUILT_AT: string | undefined;

export const version: string = typeof BANGER_VERSION === "string" ? BANGER_VERSION : "dev";
/** Eight hex digits, with "+dirty" and the time when the tree had changes. */
export const commit: string = typeof BANGER_COMMIT === "string" ? BANGER_COMMIT : "unknown";
/** RFC 3339, in UTC. */
export const builtAt: string = typeof BANGER_BUILT_AT === "string" ? BANGER_BUILT_AT : "unknown";

export function versionLine(program: string): string {
  return `${program} ${version === "dev" ? "" : "v"}${version} (commit ${commit}, built ${builtAt})`;
}
