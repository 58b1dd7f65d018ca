/**
 * Words that every room shares: errors, branded identifiers, units, clock.
 * Imports nothing of banger's and touches nothing outside the process.
 */
export { BangerError, type ErrorCode, errorCodes, GuestExit, toBangerError, wrap } from "./errors.ts";
export { ImageId, KernelId, newVmId, VmId, VmName, vmNameProblem } from "./ids.ts";
export { nearest } from "./nearest.ts";
export { formatBytes, formatDuration, parseDurationMs, parseSizeBytes } from "./units.ts";
export { commandBytes, maxCommandBytes, VmSpec, VmState, Workspace } from "./vm.ts";
