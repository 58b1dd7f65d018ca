/**
 * Words that every room shares: errors, branded identifiers, units, clock.
 * Imports nothing of banger's and touches nothing outside the process.
 *
 * Loads no schemas, whose library takes longer to load than a short command to run: those of the identifiers are in
 * ids.ts, those of a VM's record in vm.ts.
 */
export { artifactNameGrammar, artifactNameRule } from "./artifact-name.ts";
export { commandBytes, maxCommandBytes } from "./command-bytes.ts";
export { BangerError, type ErrorCode, errorCodes, GuestExit, toBangerError, wrap } from "./errors.ts";
export { leftBehind } from "./garbage.ts";
export { guestUserRule, isGuestUser } from "./guest-user.ts";
export type { ImageId, KernelId, VmId, VmName } from "./ids.ts";
export { nearest } from "./nearest.ts";
export { shellWord } from "./shell-word.ts";
export { formatBytes, formatDuration, formatSpan, parseDurationMs, parseSizeBytes } from "./units.ts";
export type { VmSpec, VmState, Workspace } from "./vm.ts";
export { isVmName, vmNameProblem } from "./vm-name.ts";
