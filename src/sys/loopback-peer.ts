/** Who is at the other end of a TCP connection within this host. */
import { readFile } from "node:fs/promises";

/** An end of a connection: an IPv4 address and a port. */
export interface TcpEnd {
  address: string;
  port: number;
}

/**
 * The user whose socket is `client`, connected to `server`; undefined when there is no such socket any more. In
 * /proc/net/tcp (proc(5)) each socket is a line: its number, its own end, the other end, and five words on the user. A
 * program that speaks IPv6 to an IPv4 address is in tcp6.
 */
export async function loopbackPeer(client: TcpEnd, server: TcpEnd): Promise<number | undefined> {
  for (const [table, before] of [
    ["/proc/net/tcp", ""],
    ["/proc/net/tcp6", mapped],
  ] as const) {
    const ends = ` ${before}${hexEnd(client)} ${before}${hexEnd(server)} `;
    const text = await readFile(table, "latin1").catch(() => "");
    const at = text.indexOf(ends);
    if (at < 0) continue;
    const [state, , , , uid] = text.slice(at + ends.length, text.indexOf("\n", at)).split(/ +/);
    // A socket that nobody holds any more is shown as root's.
    return Number(uid) === 0 && state !== established ? undefined : Number(uid);
  }
  return undefined;
}

const established = "01";
/** ::ffff:0:0/96, as three words of this machine. */
const mapped = "0000000000000000FFFF0000";

/** The address is one word of this machine, which is little-endian (x86_64). */
function hexEnd({ address, port }: TcpEnd): string {
  const hex = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, "0");
  const bytes = address.split(".").map(Number).reverse();
  return `${bytes.map((byte) => hex(byte, 2)).join("")}:${hex(port, 4)}`;
}
