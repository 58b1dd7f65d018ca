/** Ethernet frames as a guest could send them, honest and not. */
import { checksum, udp as datagram, echo as echoRequest, ipv4, withChecksum } from "../../src/net/frames.ts";

export { arp, ethernet, ipv4 } from "../../src/net/frames.ts";

/** An 802.1Q tag in an existing frame. */
export function tagged(frame: Buffer, vlan: number): Buffer {
  return Buffer.concat([
    frame.subarray(0, 12),
    Buffer.from([0x81, 0, vlan >> 8, vlan & 255]),
    frame.subarray(12),
  ]);
}

export function udp(from: string, to: string, port: number, body = "probe", source = 40000): Buffer {
  return datagram(from, to, { source, port }, Buffer.from(body));
}

export function tcp(from: string, to: string, port: number, flags = 0x02, source = 40001): Buffer {
  const segment = Buffer.alloc(20);
  segment.writeUInt16BE(source, 0);
  segment.writeUInt16BE(port, 2);
  segment.writeUInt32BE(1000, 4);
  segment[12] = 0x50;
  segment[13] = flags;
  segment.writeUInt16BE(64000, 14);
  return ipv4(from, to, 6, withChecksum(from, to, 6, segment, 16));
}

let echoes = 0;

export function echo(from: string, to: string): Buffer {
  echoes += 1;
  return echoRequest(from, to, echoes);
}

/** ICMPv6 of this type from a link-local address to all nodes; its checksum is right. */
export function icmpv6(type: number, body = Buffer.alloc(12)): Buffer {
  const from = Buffer.from("fe800000000000000000000000000bad", "hex");
  const to = Buffer.from("ff020000000000000000000000000001", "hex");
  const message = Buffer.concat([Buffer.from([type, 0, 0, 0]), body]);
  const pseudo = Buffer.concat([from, to, Buffer.from([0, 0, 0, message.length, 0, 0, 0, 58])]);
  message.writeUInt16BE(checksum(Buffer.concat([pseudo, message])), 2);
  const head = Buffer.from([0x60, 0, 0, 0, 0, message.length, 58, 255]);
  return Buffer.concat([head, from, to, message]);
}
