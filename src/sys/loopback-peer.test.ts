import { expect, test } from "bun:test";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { loopbackPeer } from "./loopback-peer.ts";

const ends = (accepted: Socket) =>
  [
    { address: accepted.remoteAddress ?? "", port: accepted.remotePort ?? 0 },
    { address: accepted.localAddress ?? "", port: accepted.localPort ?? 0 },
  ] as const;

test.each(["127.66.1.2", "::ffff:127.66.1.2"])("the user of a connection to %s is known", async (address) => {
  const server = createServer().listen({ host: "127.66.1.2", port: 0 });
  await once(server, "listening");
  const client = connect((server.address() as AddressInfo).port, address);
  const [accepted] = (await once(server, "connection")) as [Socket];
  expect(await loopbackPeer(...ends(accepted))).toBe(process.getuid?.() ?? -1);
  const [mine, theirs] = ends(accepted);
  expect(await loopbackPeer({ ...mine, port: mine.port ^ 1 }, theirs)).toBeUndefined();
  client.destroy();
  await once(accepted.resume(), "end");
  expect(await loopbackPeer(mine, theirs)).toBeUndefined();
  accepted.destroy();
  server.close();
});
