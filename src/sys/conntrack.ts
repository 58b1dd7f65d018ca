/** The kernel's memory of connections, by ctnetlink (linux/netfilter/nfnetlink_conntrack.h). */
import { attribute, attributes, errnoOf, flags, nested, netlink, protocols, u32 } from "./netlink.ts";

/** NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, _DELETE. */
const messages = { get: 0x101, delete: 0x102 } as const;
/** CTA_*; the same number is CTA_TUPLE_IP within a tuple and CTA_IP_V4_SRC within that. */
const tupleOrig = 1;
const filter = 25;
const source = 1;
/** CTA_FILTER_ORIG_FLAGS and the bit of the source address (CTA_FILTER_F_CTA_IP_SRC). */
const filterOrig = 1;
const bySource = 1;

/** struct nfgenmsg for AF_INET. */
const header = Buffer.from([2, 0, 0, 0]);

/**
 * Forgets the connections that this address opened: the next machine with the address shall not inherit them. Where the
 * kernel has no connection tracking there is nothing to forget.
 */
export function forgetConnections(address: string): void {
  const bytes = Buffer.from(address.split(".").map(Number));
  const opened = nested(tupleOrig, nested(source, attribute(source, bytes)));
  const only = nested(filter, attribute(filterOrig, u32(bySource)));
  let found: Buffer[];
  try {
    const body = Buffer.concat([header, opened, only]);
    found = netlink(protocols.netfilter, messages.get, flags.dump, body, "listing connections");
  } catch (error) {
    if (["EINVAL", "EOPNOTSUPP"].includes(errnoOf(error) ?? "")) return;
    throw error;
  }
  for (const entry of found) {
    const tuple = attributes(entry.subarray(4)).get(tupleOrig);
    const from = tuple && attributes(attributes(tuple).get(source) ?? Buffer.alloc(0)).get(source);
    // A kernel before 5.8 knows no filter, and lists everything.
    if (tuple === undefined || !from?.equals(bytes)) continue;
    const body = Buffer.concat([header, attribute(tupleOrig | 0x8000, tuple)]);
    try {
      netlink(protocols.netfilter, messages.delete, flags.change, body, "forgetting a connection");
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
}
