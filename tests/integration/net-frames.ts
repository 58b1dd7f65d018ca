/** Ethernet frames as a guest could send them, honest and not. */

export function mac(text: string): Buffer {
  return Buffer.from(text.replaceAll(":", ""), "hex");
}

export function ip(text: string): Buffer {
  return Buffer.from(text.split(".").map(Number));
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export function ethernet(to: string, from: string, type: number, payload: Buffer): Buffer {
  const kind = Buffer.alloc(2);
  kind.writeUInt16BE(type);
  return Buffer.concat([mac(to), mac(from), kind, payload]);
}

/** An 802.1Q tag in an existing frame. */
export function tagged(frame: Buffer, vlan: number): Buffer {
  return Buffer.concat([
    frame.subarray(0, 12),
    Buffer.from([0x81, 0, vlan >> 8, vlan & 255]),
    frame.subarray(12),
  ]);
}

export function ipv4(from: string, to: string, protocol: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + payload.length, 2);
  header[8] = 64;
  header[9] = protocol;
  header.set(ip(from), 12);
  header.set(ip(to), 16);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

function withChecksum(from: string, to: string, protocol: number, segment: Buffer, at: number): Buffer {
  const pseudo = Buffer.concat([ip(from), ip(to), Buffer.from([0, protocol, 0, segment.length])]);
  segment.writeUInt16BE(checksum(Buffer.concat([pseudo, segment])), at);
  return segment;
}

export function udp(from: string, to: string, port: number, body = "probe", source = 40000): Buffer {
  const segment = Buffer.concat([Buffer.alloc(8), Buffer.from(body)]);
  segment.writeUInt16BE(source, 0);
  segment.writeUInt16BE(port, 2);
  segment.writeUInt16BE(segment.length, 4);
  return ipv4(from, to, 17, withChecksum(from, to, 17, segment, 6));
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
  const message = Buffer.from([8, 0, 0, 0, echoes >> 8, echoes & 255, 0, 1, 1, 2, 3, 4]);
  message.writeUInt16BE(checksum(message), 2);
  return ipv4(from, to, 1, message);
}

interface Arp {
  operation: "request" | "reply";
  senderMac: string;
  sender: string;
  target: string;
}

export function arp({ operation, senderMac, sender, target }: Arp): Buffer {
  const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, operation === "request" ? 1 : 2]);
  return Buffer.concat([head, mac(senderMac), ip(sender), Buffer.alloc(6), ip(target)]);
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
