/**
 * The net room: what the network of the system mode shall be, as pure plans.
 *
 * Owns the allocation of addresses, the names of network devices and the text of the firewall, all of it computed from
 * the list of attached VMs. Promises that the same list gives the same text. Never touches the kernel: the root helper
 * does, with these plans in its hand.
 */
export { allocateAddress, findOverlap, guestAddressProblem, lastFreeAddress, subnetOf } from "./addresses.ts";
export {
  type Attachment,
  type BridgeMarks,
  bridgeAlias,
  bridgeMac,
  bridgeMarks,
  idleAlias,
  macOf,
  type Network,
  parseBridgeAlias,
  parseTapAlias,
  tapAlias,
  tapName,
} from "./attachment.ts";
export {
  ebtablesAdmission,
  ebtablesRemoval,
  ip6tablesPlan,
  iptablesPlan,
  iptablesRemoval,
} from "./iptables.ts";
export { answersNameQuery, nameQuery } from "./name-query.ts";
export {
  isPinned,
  nftAdmission,
  nftMark,
  nftMarked,
  nftPins,
  nftPlan,
  nftRemoval,
  nftUpdate,
} from "./nft.ts";
export {
  type BaseChain,
  dockerIsThere,
  gateInsertion,
  gatesOf,
  parseChains,
  ruleComments,
  ruleHandles,
} from "./others.ts";
export { ProbeGuest, type ProbeStage, probeVm } from "./probe-guest.ts";
