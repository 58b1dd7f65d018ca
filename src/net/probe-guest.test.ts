/** The probe's guest against a bridge of the test's own. */
import { describe, expect, test } from "bun:test";
import { macOf } from "./attachment.ts";
import { arp, echo, ethernet, etherTypes, readArp, readEchoReply, readUdp, udp } from "./frames.ts";
import { answersNameQuery, nameQuery } from "./name-query.ts";
import { ProbeGuest, probeVm } from "./probe-guest.ts";

const bridge = { mac: "06:62:61:6e:67:72", address: "172.16.0.1" };
const place = {
  ...{ address: "172.16.0.9", mac: macOf(probeVm), gateway: bridge.address, server: "192.0.2.53" },
};
const id = 0xbeef;

const toGuest = (type: number, content: Buffer) => ethernet(place.mac, bridge.mac, type, content);
const arpReply = toGuest(
  etherTypes.arp,
  arp({ operation: "reply", senderMac: bridge.mac, sender: bridge.address, target: place.address }),
);
/** An echo request's bytes as its reply: type 0. */
function echoReply(from: string, replyTo: number): Buffer {
  const packet = echo(from, place.address, replyTo);
  packet[20] = 0;
  return toGuest(etherTypes.ipv4, packet);
}
function nameAnswer(from: string, query: Buffer, port: number): Buffer {
  const body = Buffer.from(query);
  body[2] = (body[2] ?? 0) | 0x80;
  return toGuest(etherTypes.ipv4, udp(from, place.address, { source: 53, port }, body));
}

describe("the probe's guest", () => {
  test("asks for its neighbour, pings it, and asks the server by way of it", () => {
    const guest = new ProbeGuest(place, id);
    const first = guest.ask() ?? Buffer.alloc(0);
    expect(readArp(first)).toEqual({
      ...{ operation: "request", senderMac: place.mac, sender: place.address, target: bridge.address },
    });
    expect(first.subarray(0, 6).toString("hex")).toBe("ffffffffffff");
    guest.hear(arpReply);
    expect(guest.stage).toBe("bridge");
    const ping = guest.ask() ?? Buffer.alloc(0);
    expect(ping.subarray(0, 6).toString("hex")).toBe("0662616e6772");
    guest.hear(echoReply(bridge.address, id));
    expect(guest.stage).toBe("server");
    const query = readUdp(guest.ask() ?? Buffer.alloc(0));
    expect(query).toMatchObject({ from: place.address, to: "192.0.2.53", port: 53 });
    guest.hear(nameAnswer("192.0.2.53", query?.body ?? Buffer.alloc(0), query?.source ?? 0));
    expect([guest.stage, guest.ask()]).toEqual(["done", undefined]);
  });

  test("takes nobody else's answers for those it waits for", () => {
    const guest = new ProbeGuest(place, id);
    guest.hear(echoReply(bridge.address, id));
    expect(guest.stage).toBe("neighbour");
    guest.hear(arpReply);
    guest.hear(echoReply("172.16.0.7", id));
    guest.hear(echoReply(bridge.address, id + 1));
    expect(guest.stage).toBe("bridge");
    guest.hear(echoReply(bridge.address, id));
    const query = readUdp(guest.ask() ?? Buffer.alloc(0));
    const { body = Buffer.alloc(0), source = 0 } = query ?? {};
    guest.hear(nameAnswer("192.0.2.54", body, source));
    guest.hear(nameAnswer("192.0.2.53", body, source + 1));
    guest.hear(nameAnswer("192.0.2.53", nameQuery(id + 1), source));
    expect(guest.stage).toBe("server");
  });

  test("answers the bridge's own question for its address, and nobody else's", () => {
    const guest = new ProbeGuest(place, id);
    const asks = (target: string) =>
      guest.hear(
        toGuest(
          etherTypes.arp,
          arp({ operation: "request", senderMac: bridge.mac, sender: bridge.address, target }),
        ),
      );
    expect(readArp(asks(place.address) ?? Buffer.alloc(0))).toEqual({
      ...{ operation: "reply", senderMac: place.mac, sender: place.address, target: bridge.address },
    });
    expect(asks("172.16.0.7")).toBeUndefined();
  });

  test("without a server it is done with the bridge, and frames that are cut off are nothing", () => {
    const guest = new ProbeGuest({ ...place, server: null }, id);
    for (let size = 0; size < arpReply.length; size += 1) guest.hear(arpReply.subarray(0, size));
    expect(guest.stage).toBe("neighbour");
    guest.hear(arpReply);
    const reply = echoReply(bridge.address, id);
    for (let size = 0; size < 40; size += 1) guest.hear(reply.subarray(0, size));
    expect(guest.stage).toBe("bridge");
    guest.hear(reply);
    expect(guest.stage).toBe("done");
  });
});

test("a query is no answer, and an answer is one whatever it says", () => {
  const query = nameQuery(7);
  expect(answersNameQuery(query, 7)).toBe(false);
  const refused = Buffer.from(query);
  refused[2] = 0x81;
  refused[3] = 5;
  expect([answersNameQuery(refused, 7), answersNameQuery(refused, 8)]).toEqual([true, false]);
  expect(answersNameQuery(refused.subarray(0, 11), 7)).toBe(false);
  expect(readEchoReply(Buffer.alloc(14))).toBeUndefined();
});
