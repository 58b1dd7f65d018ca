/** Whom this host has TCP connections with: programs of all its users, not only banger's. */
import { readFile } from "node:fs/promises";

/** Addresses of the other ends, IPv4 only. A connection that has ended counts for as long as the kernel remembers it: a minute. */
export async function tcpPeers(): Promise<ReadonlySet<string>> {
  return parsePeers(await readFile("/proc/net/tcp", "utf8").catch(() => ""));
}

const listening = "0A";

/** proc_net_tcp (Documentation/networking): `sl local:port remote:port state`, addresses as the processor has them. */
export function parsePeers(table: string): ReadonlySet<string> {
  const peers = new Set<string>();
  for (const line of table.split("\n").slice(1)) {
    const [, , remote = "", state] = line.trim().split(/\s+/);
    const bytes = /^([0-9A-F]{2})([0-9A-F]{2})([0-9A-F]{2})([0-9A-F]{2}):/.exec(remote);
    if (bytes === null || state === listening) continue;
    // Little-endian, as x86-64 is.
    peers.add(
      bytes
        .slice(1, 5)
        .reverse()
        .map((byte) => Number.parseInt(byte, 16))
        .join("."),
    );
  }
  return peers;
}
