/** The name server's sockets: UDP and TCP on one port of 127.0.0.1. */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { BangerError } from "../base/base.ts";
import { maxUdpBytes } from "./message.ts";
import { answer, type Lookup } from "./zone.ts";

const host = "127.0.0.1";
/** What other resolvers are told to ask; where somebody else has it, one of the next is taken. */
export const usualPort = 42_069;
const triedPorts = 32;

/** Of TCP, which nobody needs for answers of this size: few, small, and not for long. */
const maxConnections = 32;
const maxTcpBytes = maxUdpBytes;
const silentMs = 5_000;
/** Queries that wait for their answer; more than these are not heard. */
const maxPending = 256;

export interface NameServer {
  /** `127.0.0.1:PORT`. */
  readonly address: string;
  readonly port: number;
  close(): void;
}

/** Throws unavailable when there is no port to be had. */
export async function openNameServer(lookup: Lookup, from = usualPort): Promise<NameServer> {
  let last: unknown;
  for (let port = from; port < from + triedPorts; port += 1) {
    try {
      return await openAt(port, lookup);
    } catch (error) {
      last = error;
    }
  }
  throw new BangerError("unavailable", `no port from ${from} on is free for the name server`, {
    cause: last,
  });
}

async function openAt(port: number, lookup: Lookup): Promise<NameServer> {
  const udp = await openUdp(port, lookup);
  try {
    const tcp = await openTcp(port, lookup);
    return {
      ...{ address: `${host}:${port}`, port },
      close: () => {
        udp.close();
        tcp.close();
      },
    };
  } catch (error) {
    udp.close();
    throw error;
  }
}

function openUdp(port: number, lookup: Lookup): Promise<UdpSocket> {
  const socket = createSocket("udp4");
  let open = true;
  let pending = 0;
  /** That an earlier asker has gone (ICMP) is told to the next send, which then does nothing (IP_RECVERR, ip(7)). */
  const send = (said: Buffer, sender: RemoteInfo, tries = 4) => {
    if (!open || tries === 0) return;
    socket.send(said, sender.port, sender.address, (error) => {
      if (error !== null) send(said, sender, tries - 1);
    });
  };
  socket.on("message", (message, sender) => {
    if (pending >= maxPending) return;
    pending += 1;
    answer(message, lookup)
      .then((said) => {
        if (said !== undefined) send(said, sender);
      })
      .catch(() => {
        // What a name stands for could not be found out: the resolver asks again.
      })
      .finally(() => {
        pending -= 1;
      });
  });
  socket.on("close", () => {
    open = false;
  });
  return new Promise((resolve, reject) => {
    socket.once("error", reject);
    socket.bind({ port, address: host, exclusive: true }, () => {
      socket.off("error", reject);
      // Of a sender that is gone (ICMP): it concerns that sender alone.
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

function openTcp(port: number, lookup: Lookup): Promise<{ close(): void }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.setTimeout(silentMs, () => socket.destroy());
    converse(socket, lookup).catch(() => socket.destroy());
  });
  server.maxConnections = maxConnections;
  const close = () => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen({ port, host }, () => {
      server.off("error", reject);
      server.on("error", () => {});
      resolve({ close });
    });
  });
}

/** Each message has its length before it (RFC 1035, 4.2.2). One is answered after the other. */
async function converse(socket: Socket, lookup: Lookup): Promise<void> {
  let read = Buffer.alloc(0);
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    read = Buffer.concat([read, chunk]);
    while (read.length >= 2) {
      const length = read.readUInt16BE(0);
      if (length > maxTcpBytes) return void socket.destroy();
      if (read.length < 2 + length) break;
      const said = await answer(read.subarray(2, 2 + length), lookup);
      read = read.subarray(2 + length);
      if (said === undefined) return void socket.destroy();
      const prefix = Buffer.alloc(2);
      prefix.writeUInt16BE(said.length);
      // Who does not read its answers is not listened to, and before long not at all. Throws then.
      if (!socket.write(Buffer.concat([prefix, said])))
        await once(socket, "drain", { signal: AbortSignal.timeout(silentMs) });
    }
  }
}
