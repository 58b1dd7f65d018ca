/**
 * The sys room: every contact with the kernel and with host programs.
 *
 * Owns process spawning (the only place), process identity, file-system effects that must be durable, and the native
 * shim. Promises: nothing is inherited by a child that was not asked for; a durable write is either there or not.
 * Never knows VMs, images or policy.
 */

export { allocated, allocatedIn, type Counted } from "./allocated.ts";
export { boundLog, type LogBound } from "./bounded-log.ts";
export { forgetConnections } from "./conntrack.ts";
export {
  createMapped,
  findMapped,
  type MappedDevice,
  mappedNames,
  mappedStatus,
  mappedTable,
  mappedUuid,
  removeMapped,
  startMapped,
} from "./dm.ts";
export { waitForExit } from "./exit.ts";
export { atomicWrite, filesBelow, makeAside, readPlainFile, removeTree, syncDirectory } from "./files.ts";
export {
  type FoundProcess,
  findProcesses,
  identify,
  isAlive,
  type ProcessIdentity,
  ProcessIdentitySchema,
  signalProcess,
} from "./identity.ts";
export {
  addAddress,
  changeLink,
  createBridge,
  createTap,
  findLink,
  isolatePort,
  type Link,
  listAddresses,
  listLinks,
  listRoutes,
  type NetworkRange,
  openTap,
  removeLink,
  withoutIpv6,
} from "./links.ts";
export { type FileLock, lockFile } from "./lock.ts";
export {
  attachLoop,
  clearLoop,
  findLoop,
  isBackedBy,
  type LoopDevice,
  type LoopStatus,
  loopMajor,
  loopNumbers,
  openLoop,
} from "./loop.ts";
export { loopbackPeer, type TcpEnd } from "./loopback-peer.ts";
export { type MemoryUse, memoryUse } from "./memory-use.ts";
export { type FileSystem, fileSystemOf, type Mount, mountOf } from "./mounts.ts";
export { hostNameServer } from "./name-server.ts";
export { errnoOf } from "./netlink.ts";
export { applyNft, listNft } from "./nft.ts";
export {
  type BlockDevice,
  linkFile,
  makeDeviceNode,
  makeDirectory,
  makeMountPoint,
  memoryFile,
  openAs,
  openBelow,
  openDeviceFor,
  readOnlyMount,
  removeTreeOf,
  type UserId,
} from "./owner-files.ts";
export {
  cleanEnvironment,
  type RunOptions,
  type RunResult,
  run,
  runChecked,
  runStreaming,
  spawnCount,
  spawnDetached,
} from "./process.ts";
export { type ProcessUse, processUse } from "./process-use.ts";
export { cloneFile, nextData, type PeerCredentials, peerCredentials, readTsc } from "./shim.ts";
export { copyRange, copySparse, emptyStretch, overlaySparse, SparseWriter } from "./sparse.ts";
export { type Spawned, spawnAs } from "./spawn-as.ts";
export { cleanStaging, ownedByLiving, stageDirectory, writeOwner } from "./staging.ts";
export { tcpPeers } from "./tcp-peers.ts";
