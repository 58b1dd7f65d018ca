/**
 * The state room: what banger knows, in SQLite.
 *
 * Owns the database file, its migrations, the rows of VMs, images and kernels, and the journal of steps. Promises: what a
 * call acknowledged survives a kill, and a power cut where the caller asks for it; rows are parsed when read; a damaged database is set aside, never guessed at;
 * one of a newer program is refused. Never knows what the rows are for.
 */

export type { Artifact, ArtifactTable } from "./artifacts.ts";
export { openState, type State } from "./open.ts";
export { copyDatabase, type Fitness, fitnessOf } from "./upgrade.ts";
export { ColdReason, VmRecord, type VmTable } from "./vms.ts";
