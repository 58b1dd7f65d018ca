/** Ethernet frames as a guest sends and gets them (RFC 826, 791, 792, 768): built, and read as far as a probe needs. */

export const etherTypes = { ipv4: 0x0800, arp: 0x0806 } as const;
const protocols = { icmp: 1, udp: 17 } as const;

function macBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(":", ""), "hex");
}

export function addressBytes(text: string): Buffer {
  return Buffer.from(text.split(".").map(Number));
}

/** RFC 1071. */
export function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += (bytes[at] ?? 0) * 256 + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export function ethernet(to: string, from: string, type: number, payload: Buffer): Buffer {
  const kind = Buffer.alloc(2);
  kind.writeUInt16BE(type);
  return Buffer.concat([macBytes(to), macBytes(from), kind, payload]);
}

export function ipv4(from: string, to: string, protocol: number, payload: Buffer): Buffer {
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + payload.length, 2);
  header[8] = 64;
  header[9] = protocol;
  header.set(addressBytes(from), 12);
  header.set(addressBytes(to), 16);
  header.writeUInt16BE(checksum(header), 10);
  return Buffer.concat([header, payload]);
}

/** The segment with its checksum, which counts the addresses too, at that offset. */
export function withChecksum(
  from: string,
  to: string,
  protocol: number,
  segment: Buffer,
  at: number,
): Buffer {
  const length = Buffer.from([0, protocol, segment.length >> 8, segment.length & 255]);
  const pseudo = Buffer.concat([addressBytes(from), addressBytes(to), length]);
  segment.writeUInt16BE(checksum(Buffer.concat([pseudo, segment])), at);
  return segment;
}

export interface Ports {
  source: number;
  port: number;
}

export function udp(from: string, to: string, { source, port }: Ports, body: Buffer): Buffer {
  const segment = Buffer.concat([Buffer.alloc(8), body]);
  segment.writeUInt16BE(source, 0);
  segment.writeUInt16BE(port, 2);
  segment.writeUInt16BE(segment.length, 4);
  return ipv4(from, to, protocols.udp, withChecksum(from, to, protocols.udp, segment, 6));
}

/** An echo request with this identifier, of 16 bits. */
export function echo(from: string, to: string, id: number): Buffer {
  const message = Buffer.from([8, 0, 0, 0, id >> 8, id & 255, 0, 1, 1, 2, 3, 4]);
  message.writeUInt16BE(checksum(message), 2);
  return ipv4(from, to, protocols.icmp, message);
}

export interface Arp {
  operation: "request" | "reply";
  senderMac: string;
  sender: string;
  target: string;
}

/** The target's MAC address is left open: nobody reads it. */
export function arp({ operation, senderMac, sender, target }: Arp): Buffer {
  const head = Buffer.from([0, 1, 8, 0, 6, 4, 0, operation === "request" ? 1 : 2]);
  return Buffer.concat([
    head,
    macBytes(senderMac),
    addressBytes(sender),
    Buffer.alloc(6),
    addressBytes(target),
  ]);
}

const macText = (bytes: Buffer) => bytes.toString("hex").replaceAll(/(..)(?=.)/g, "$1:");

/** Undefined for a frame of another kind, or a short one. */
export function readArp(frame: Buffer): Arp | undefined {
  if (frame.length < 42 || frame.readUInt16BE(12) !== etherTypes.arp) return undefined;
  return {
    operation: frame.readUInt16BE(20) === 1 ? "request" : "reply",
    senderMac: macText(frame.subarray(22, 28)),
    sender: frame.subarray(28, 32).join("."),
    target: frame.subarray(38, 42).join("."),
  };
}

interface Packet {
  from: string;
  to: string;
  payload: Buffer;
}

function readIpv4(frame: Buffer, protocol: number): Packet | undefined {
  const packet = frame.subarray(14);
  if (packet.length < 20 || frame.readUInt16BE(12) !== etherTypes.ipv4) return undefined;
  if (packet[9] !== protocol) return undefined;
  return {
    from: packet.subarray(12, 16).join("."),
    to: packet.subarray(16, 20).join("."),
    payload: packet.subarray(((packet[0] ?? 0) & 15) * 4, packet.readUInt16BE(2)),
  };
}

/** The identifier and the sender of an echo reply; undefined for anything else. */
export function readEchoReply(frame: Buffer): { from: string; to: string; id: number } | undefined {
  const found = readIpv4(frame, protocols.icmp);
  if (found === undefined || found.payload.length < 8 || found.payload[0] !== 0) return undefined;
  return { from: found.from, to: found.to, id: found.payload.readUInt16BE(4) };
}

/** Undefined for anything but a datagram. */
export function readUdp(frame: Buffer): (Ports & { from: string; to: string; body: Buffer }) | undefined {
  const found = readIpv4(frame, protocols.udp);
  if (found === undefined || found.payload.length < 8) return undefined;
  const { from, to, payload } = found;
  return {
    ...{ from, to, source: payload.readUInt16BE(0), port: payload.readUInt16BE(2) },
    body: payload.subarray(8),
  };
}
