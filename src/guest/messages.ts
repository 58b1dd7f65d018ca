/** Messages with many fields, each laid out as its C counterpart reads or writes it. */
import type { GuestHello, GuestStats, ListeningPort, Personality } from "./guest.ts";
import type { PayloadReader, PayloadWriter } from "./protocol.ts";

/** As native/agent/personalise.c reads it. */
export function writePersonality(to: PayloadWriter, person: Personality, timeNs: bigint): PayloadWriter {
  to.string(person.hostname).string(person.machineId).u64(timeNs).bytes(person.entropy);
  const { network } = person;
  to.u8(network === undefined ? 0 : 1);
  if (network !== undefined) {
    to.string(network.address)
      .u8(network.prefix)
      .string(network.gateway ?? "")
      .bytes(macBytes(network.mac));
  }
  to.u32(person.files.length);
  for (const file of person.files) to.string(file.path).u32(file.mode).bytes(file.content);
  return to;
}

function macBytes(mac: string | undefined): Uint8Array {
  return mac === undefined
    ? new Uint8Array()
    : Uint8Array.from(mac.split(":"), (part) => Number.parseInt(part, 16));
}

/** A guest may say anything: what goes to a terminal has no control characters. */
function harmless(text: string): string {
  return text.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 64);
}

/** As native/agent/info.c writes it. */
export function readPorts(from: PayloadReader): ListeningPort[] {
  const ports: ListeningPort[] = [];
  for (let left = Math.min(from.u32(), 4096); left > 0; left -= 1) {
    const protocol = from.u8() === 1 ? "udp" : "tcp";
    const port = from.u16();
    ports.push({ protocol, port, address: harmless(from.string()), process: harmless(from.string()) });
  }
  return ports;
}

/** As native/agent/info.c writes it. */
export function readStats(from: PayloadReader): GuestStats {
  const uptimeSeconds = from.u64();
  const load = [from.u32() / 65536, from.u32() / 65536, from.u32() / 65536] as const;
  return {
    uptimeSeconds,
    load,
    memoryTotalBytes: from.u64(),
    memoryAvailableBytes: from.u64(),
    rootTotalBytes: from.u64(),
    rootFreeBytes: from.u64(),
    workTotalBytes: from.u64(),
    workFreeBytes: from.u64(),
    processes: from.u32(),
  };
}

/** As send_hello in native/agent/session.c writes it. */
export function readHello(from: PayloadReader): GuestHello {
  const protocol = from.u32();
  const flags = from.u8();
  return {
    protocol,
    agentVersion: harmless(from.string()),
    bootId: harmless(from.string()),
    kernelRelease: harmless(from.string()),
    personalised: (flags & 1) !== 0,
    basicReached: (flags & 2) !== 0,
    runsAsUsers: (flags & 4) !== 0,
  };
}

/** A PONG's wall clock in ns; undefined from an agent that does not tell it. */
export function readClock(payload: Buffer): bigint | undefined {
  return payload.length === 8 ? payload.readBigUInt64LE() : undefined;
}
