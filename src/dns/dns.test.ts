import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { Resolver } from "node:dns/promises";
import { connect } from "node:net";
import fc from "fast-check";
import { type NameServer, openNameServer } from "./dns.ts";
import { answer } from "./zone.ts";

const addresses: Record<string, string> = { "calm-otter": "127.66.7.9", b: "172.16.0.2" };
const lookup = async (name: string) => addresses[name];

interface Question {
  name: string;
  type?: number;
  class?: number;
  flags?: number;
  counts?: [number, number, number, number];
  after?: number[];
}

/** A query as resolvers send them: id 0xbeef, recursion desired. */
function query({
  name,
  type = 1,
  class: of = 1,
  flags = 0x0100,
  counts = [1, 0, 0, 0],
  after = [],
}: Question) {
  const labels = name.split(".").filter((label) => label !== "");
  const bytes = labels.flatMap((label) => [label.length, ...Buffer.from(label, "latin1")]);
  const words = (...values: number[]) => values.flatMap((value) => [value >> 8, value & 255]);
  return Buffer.from([...words(0xbeef, flags, ...counts), ...bytes, 0, ...words(type, of), ...after]);
}

/** What an answer says, by the places that RFC 1035 gives. */
function read(message: Buffer | undefined) {
  if (message === undefined) return undefined;
  return {
    id: message.readUInt16BE(0),
    isAnswer: (message.readUInt8(2) & 0x80) !== 0,
    authoritative: (message.readUInt8(2) & 0x04) !== 0,
    recursion: message.readUInt8(3) >> 7,
    code: message.readUInt8(3) & 15,
    counts: [4, 6, 8, 10].map((at) => message.readUInt16BE(at)),
  };
}
const ask = async (question: Question) => read(await answer(query(question), lookup));
const opt = (version: number, ...data: number[]) => [
  0,
  0,
  41,
  4,
  208,
  0,
  version,
  0,
  0,
  0,
  data.length,
  ...data,
];

describe("of the zone vm", () => {
  test("a VM's address is answered with authority, and is not to be remembered", async () => {
    const message = await answer(query({ name: "calm-otter.vm" }), lookup);
    expect(read(message)).toEqual({
      ...{ id: 0xbeef, isAnswer: true, authoritative: true, recursion: 0, code: 0, counts: [1, 1, 0, 0] },
    });
    // A pointer to the question's name, A, IN, a time of 0, four bytes.
    expect([...(message ?? []).slice(-16)]).toEqual([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 66, 7, 9]);
  });

  test("letters of any case mean the same, and come back as they were", async () => {
    const asked = query({ name: "cAlM-oTTeR.Vm" });
    const message = await answer(asked, lookup);
    expect(read(message)?.counts[1]).toBe(1);
    expect(message?.subarray(12, asked.length).equals(asked.subarray(12))).toBe(true);
  });

  test("a name that is no VM does not exist, and the zone's own record says so", async () => {
    for (const name of ["gone.vm", "x.calm-otter.vm", "calm-otter.vm.vm", "calm_otter.vm"])
      expect(await ask({ name })).toMatchObject({ code: 3, authoritative: true, counts: [1, 0, 1, 0] });
  });

  test("a VM has no record of another type, which is another thing than not to exist", async () => {
    for (const type of [28, 15, 16, 65, 6])
      expect(await ask({ name: "calm-otter.vm", type })).toMatchObject({ code: 0, counts: [1, 0, 1, 0] });
    expect(await ask({ name: "calm-otter.vm", type: 255 })).toMatchObject({ code: 0, counts: [1, 1, 0, 0] });
  });

  test("the zone itself has its own record and no address", async () => {
    expect(await ask({ name: "vm", type: 6 })).toMatchObject({ code: 0, counts: [1, 1, 0, 0] });
    expect(await ask({ name: "vm" })).toMatchObject({ code: 0, counts: [1, 0, 1, 0] });
  });
});

describe("refused is", () => {
  test("every other zone, and every other class", async () => {
    for (const name of ["", "example.com", "vm.example", "xvm", "7.66.127.in-addr.arpa"])
      expect(await ask({ name })).toMatchObject({ code: 5, authoritative: false, counts: [1, 0, 0, 0] });
    expect(await ask({ name: "calm-otter.vm", class: 3 })).toMatchObject({ code: 5 });
  });

  test("what is no query: updates, notifications, and what is cut off, doubled or too much", async () => {
    for (const flags of [0x2800, 0x2000, 0x7800])
      expect(await ask({ name: "calm-otter.vm", flags })).toMatchObject({ code: 4, counts: [0, 0, 0, 0] });
    const malformed: Question[] = [
      { name: "calm-otter.vm", counts: [0, 0, 0, 0] },
      { name: "calm-otter.vm", counts: [2, 0, 0, 0] },
      { name: "calm-otter.vm", counts: [1, 1, 0, 0] },
      { name: "calm-otter.vm", counts: [1, 0, 0, 1] },
      { name: "calm-otter.vm", after: [0] },
      { name: "calm-otter.vm", counts: [1, 0, 0, 2], after: [...opt(0), ...opt(0)] },
      { name: `${"a".repeat(60)}.`.repeat(5) },
    ];
    for (const question of malformed)
      expect(await ask(question)).toMatchObject({ code: 1, counts: [0, 0, 0, 0] });
    const pointing = query({ name: "ab.vm" });
    pointing[12] = 0xc0;
    expect(read(await answer(pointing, lookup))).toMatchObject({ code: 1 });
  });
});

test("EDNS is answered with EDNS, its options are passed over, and a version to come is said to be one", async () => {
  const counts: Question["counts"] = [1, 0, 0, 1];
  const cookie = [0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8];
  expect(await ask({ name: "b.vm", counts, after: opt(0, ...cookie) })).toMatchObject({
    counts: [1, 1, 0, 1],
  });
  const message = await answer(query({ name: "b.vm", counts, after: opt(1) }), lookup);
  expect(read(message)).toMatchObject({ code: 0, counts: [1, 0, 0, 1] });
  // The code's upper half: 1, with a lower half of 0, is BADVERS.
  expect(message?.at(-6)).toBe(1);
});

test("an answer is never answered, and neither is what is no message: two servers would not stop talking", async () => {
  expect(await answer(query({ name: "calm-otter.vm", flags: 0x8100 }), lookup)).toBeUndefined();
  for (let length = 0; length < 12; length += 1)
    expect(await answer(Buffer.alloc(length), lookup)).toBeUndefined();
});

test("whatever comes, the answer is hardly larger, is an answer to it, and nothing throws", async () => {
  const mangled = fc
    .tuple(
      fc.constantFrom("calm-otter.vm", "gone.vm", "vm", "example.com", `${"a".repeat(63)}.vm`),
      fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 4 }),
      fc.nat(80),
    )
    .map(([name, changes, length]) => {
      const bytes = query({ name, counts: [1, 0, 0, 1], after: opt(0) });
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return bytes.subarray(0, Math.max(bytes.length - length, 0));
    });
  const anything = fc.oneof(
    mangled,
    fc.uint8Array({ maxLength: 600 }).map((bytes) => Buffer.from(bytes)),
  );
  await fc.assert(
    fc.asyncProperty(anything, async (bytes) => {
      const message = await answer(bytes, lookup);
      if (message === undefined) return;
      expect(message.length).toBeLessThanOrEqual(bytes.length + 64);
      expect(read(message)).toMatchObject({ id: bytes.readUInt16BE(0), isAnswer: true });
    }),
    { numRuns: 3000 },
  );
});

describe("the server", () => {
  let server: NameServer;
  let second: NameServer;
  beforeAll(async () => {
    server = await openNameServer(lookup, 45_300);
    second = await openNameServer(lookup, 45_300);
  });
  afterAll(() => {
    server.close();
    second.close();
  });

  test("takes the next port where another one has the usual one", () => {
    expect(second.port).toBeGreaterThan(server.port);
  });

  test("answers a resolver of somebody else's", async () => {
    const resolver = new Resolver();
    resolver.setServers([server.address]);
    expect(await resolver.resolve4("calm-otter.vm", { ttl: true })).toEqual([
      { address: "127.66.7.9", ttl: 0 },
    ]);
    await expect(resolver.resolve4("gone.vm")).rejects.toMatchObject({ code: "ENOTFOUND" });
    await expect(resolver.resolve6("calm-otter.vm")).rejects.toThrow();
    await expect(resolver.resolve4("example.com")).rejects.toMatchObject({ code: "EREFUSED" });
    expect(await resolver.resolveSoa("vm")).toMatchObject({
      nsname: "vm",
      hostmaster: "hostmaster.vm",
      minttl: 0,
    });
  });

  test("answers by TCP too, in whatever pieces several queries come, and ends who talks nonsense", async () => {
    const framed = (message: Buffer) => Buffer.concat([Buffer.from([0, message.length]), message]);
    const two = Buffer.concat([framed(query({ name: "b.vm" })), framed(query({ name: "gone.vm" }))]);
    const heard: Buffer[] = [];
    const socket = connect(server.port, "127.0.0.1");
    socket.on("data", (chunk) => heard.push(chunk));
    for (const byte of two) socket.write(Buffer.from([byte]));
    const answers = () => {
      const all = Buffer.concat(heard);
      const first = 2 + (all[1] ?? 0);
      return [all.subarray(2, first), all.subarray(first + 2)].filter(({ length }) => length > 0);
    };
    while (answers().length < 2) await Bun.sleep(5);
    expect(answers().map(read)).toMatchObject([{ code: 0, counts: [1, 1, 0, 0] }, { code: 3 }]);
    socket.write(Buffer.from([0xff, 0xff, 1, 2, 3]));
    await new Promise((resolve) => socket.once("close", resolve));
  });

  test("is not made to keep answers by who asks by TCP and reads none", async () => {
    const message = query({ name: "b.vm" });
    const many = Buffer.concat(Array(4000).fill(Buffer.concat([Buffer.from([0, message.length]), message])));
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {}).pause();
    let taken = 0;
    let stuck = false;
    while (!stuck && taken < 100) {
      if (!socket.write(many)) {
        const drained = new Promise<boolean>((resolve) => socket.once("drain", () => resolve(false)));
        stuck = await Promise.race([drained, Bun.sleep(1500).then(() => true)]);
      }
      taken += 1;
    }
    socket.destroy();
    expect(stuck).toBe(true);
  }, 20_000);

  test("goes on after garbage, and after askers that do not wait for their answer", async () => {
    for (let left = 50; left > 0; left -= 1) {
      const socket = createSocket("udp4");
      const message = left % 2 === 0 ? query({ name: "b.vm" }) : Buffer.from(`garbage ${left}`);
      await new Promise((resolve) => socket.send(message, server.port, "127.0.0.1", resolve));
      socket.close();
    }
    const resolver = new Resolver();
    resolver.setServers([server.address]);
    expect(await resolver.resolve4("b.vm")).toEqual(["172.16.0.2"]);
  });
});
