import { describe, expect, test } from "bun:test";
import { Duplex } from "node:stream";
import fc from "fast-check";
import { BangerError } from "../base/base.ts";
import { encodeHeader } from "./frames.ts";
import { type GuestSession, openAgentSession } from "./guest.ts";
import type { LivenessLimits } from "./liveness.ts";
import {
  ackMagic,
  Frame,
  headerBytes,
  nonceBytes,
  Operation,
  PayloadWriter,
  protocolVersion,
  syncMagic,
  windowBytes,
} from "./protocol.ts";

/** A guest made of a list of replies: answers the preamble, and then says what it is told to. */
class FakeGuest {
  readonly sent: Buffer[] = [];
  readonly stream: Duplex;
  #greeted = false;

  constructor(
    private readonly protocol = protocolVersion,
    private readonly flags = 0,
  ) {
    this.stream = new Duplex({
      read: () => {},
      write: (chunk: Buffer, _encoding, done) => {
        if (this.#greeted) this.sent.push(chunk);
        else this.#greet(chunk);
        done();
      },
    });
  }

  #greet(preamble: Buffer): void {
    this.#greeted = true;
    const nonce = preamble.subarray(syncMagic.length, syncMagic.length + nonceBytes);
    const hello = new PayloadWriter()
      .u32(this.protocol)
      .u8(this.flags)
      .string("1.2.3")
      .string("boot")
      .string("6.1\x1b[31m");
    this.stream.push(Buffer.concat([ackMagic, nonce]));
    this.say(Frame.hello, 0, 0, hello.done());
  }

  say(type: number, stream: number, flags: number, payload: Uint8Array = Buffer.alloc(0)): void {
    this.stream.push(Buffer.concat([encodeHeader(payload.length, stream, type, flags), payload]));
  }

  session(liveness?: LivenessLimits, answerTimeoutMs = 60_000): Promise<GuestSession> {
    const options = { handshakeTimeoutMs: 1000, answerTimeoutMs };
    return openAgentSession(this.stream, { ...options, ...(liveness === undefined ? {} : { liveness }) });
  }

  /** Waits until the session has taken in what was said. */
  settle(): Promise<void> {
    return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  }
}

const u32 = (value: number) => new PayloadWriter().u32(value).done();
const request = { argv: ["x"], cwd: "/", after: "agent" as const };

describe("a session with a guest that cannot be trusted", () => {
  test("takes control characters out of what the guest calls itself", async () => {
    const session = await new FakeGuest().session();
    expect(session.hello.kernelRelease).toBe("6.1?[31m");
    session.close();
  });

  test("refuses another version of the protocol and says what to do", async () => {
    await expect(new FakeGuest(99).session()).rejects.toMatchObject({
      code: "bad_version",
      hint: expect.stringContaining("restart"),
    });
  });

  test("of an older agent is not asked for a command as a user, which it would run as root", async () => {
    const guest = new FakeGuest();
    const session = await guest.session();
    await expect(session.exec({ ...request, user: "app" })).rejects.toMatchObject({
      code: "bad_version",
      message: expect.stringContaining("user app"),
      hint: expect.stringContaining("--user root"),
    });
    expect(guest.sent).toEqual([]);
    await session.exec(request);
    const asRoot = Buffer.concat(guest.sent.splice(0));
    const newer = new FakeGuest(protocolVersion, 4);
    const other = await newer.session();
    await other.exec({ ...request, user: "app" });
    const asApp = Buffer.concat(newer.sent.splice(0));
    expect(asApp[headerBytes + 1]).toBe((asRoot[headerBytes + 1] ?? 0) | 4);
    expect(asApp.subarray(asRoot.length).equals(new PayloadWriter().string("app").done())).toBe(true);
    session.close();
    other.close();
  });

  test.each([
    ["sends more than it was allowed to", Frame.out, 0, Buffer.alloc(60_000), 5],
    ["grants more than a window", Frame.grant, 0, u32(windowBytes + 1), 1],
    ["sends output after its end", Frame.out, 0, Buffer.alloc(1), 1],
    ["sends a frame of unknown type", 99, 0, Buffer.alloc(0), 1],
    ["sends a result that is cut off", Frame.result, 0, Buffer.alloc(3), 1],
    ["gives up the session", Frame.goodbye, 0, Buffer.alloc(0), 1],
  ] as const)("ends when the guest %s", async (what, type, flags, payload, times) => {
    const guest = new FakeGuest();
    const session = await guest.session();
    const child = await session.exec(request);
    if (what.includes("after its end")) guest.say(Frame.outEof, 1, 0);
    for (let time = 0; time < times; time += 1) guest.say(type, 1, flags, payload);
    await expect(child.exit).rejects.toMatchObject({ code: "guest_failed" });
    expect((await session.closed).reason).toContain("the guest agent");
    expect(guest.stream.destroyed).toBe(true);
  });

  test("has a clock set by the difference, whatever the way to it and back takes", async () => {
    const guest = new FakeGuest();
    const session = await guest.session();
    const behindMs = 3_600_000;
    const told = (type: number) => guest.sent.findIndex((chunk) => chunk[8] === type);
    /** Waits for a ping, and says what the clock shows, in the middle of the time that this takes. */
    const answer = async (ms: number) => {
      while (told(Frame.ping) < 0) await Bun.sleep(1);
      guest.sent.splice(told(Frame.ping), 1);
      await Bun.sleep(ms);
      const now = new PayloadWriter().u64(BigInt(Date.now() - behindMs) * 1_000_000n).done();
      await Bun.sleep(ms);
      guest.say(Frame.pong, 0, 0, now);
    };
    const person = { hostname: "x", machineId: "", files: [], entropy: new Uint8Array() };
    const done = session.personalise({ ...person, clock: "host" });
    // The first is a slow one, as in a guest that has just been restored: another is asked for.
    await answer(150);
    await answer(1);
    while (guest.sent.length < 4) await Bun.sleep(1);
    const [, clock = Buffer.alloc(9), , personalise = Buffer.alloc(0)] = guest.sent;
    expect(clock[0]).toBe(Operation.clock);
    expect(Number(clock.readBigInt64LE(1)) / 1e6).toBeWithin(behindMs - 15, behindMs + 15);
    expect(personalise[0]).toBe(Operation.personalise);
    for (const stream of [1, 2]) guest.say(Frame.result, stream, 0, u32(0));
    await done;
    session.close();
  });

  test("is not waited for without end when it does not tell the time", async () => {
    const session = await new FakeGuest().session(undefined, 50);
    const person = {
      hostname: "x",
      machineId: "",
      files: [],
      entropy: new Uint8Array(),
      clock: "host",
    } as const;
    await expect(session.personalise(person)).rejects.toThrow("did not answer (telling the time)");
    session.close();
  });

  test("keeps to the guest's credit and goes on when there is more", async () => {
    const guest = new FakeGuest();
    const session = await guest.session();
    const child = await session.exec(request);
    const payloads = () =>
      guest.sent
        .filter((chunk) => chunk.length > headerBytes && chunk[0] === 120)
        .reduce((sum, chunk) => sum + chunk.length, 0);
    child.stdin.write(Buffer.alloc(windowBytes + 1000, "x"));
    await guest.settle();
    expect(payloads()).toBe(windowBytes);
    guest.say(Frame.grant, 1, 0, u32(400));
    await guest.settle();
    expect(payloads()).toBe(windowBytes + 400);
    session.close();
  });

  test("of random frames only ever ends with guest_failed, and settles all that waits", async () => {
    const frame = fc.record({
      type: fc.oneof(fc.integer({ min: 16, max: 24 }), fc.nat(255)),
      stream: fc.nat(4),
      flags: fc.oneof(fc.nat(1), fc.nat(255)),
      payload: fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.constant(u32(0)), fc.constant(u32(9))),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(frame, { maxLength: 40 }), async (frames) => {
        const guest = new FakeGuest();
        const session = await guest.session();
        const child = await session.exec(request);
        child.stdout.resume();
        const waits = Promise.allSettled([
          child.exit,
          session.stats(),
          session.ports(),
          session.connect({ port: 1 }),
          session.ping(),
        ]);
        for (const { type, stream, flags, payload } of frames) {
          if (!guest.stream.destroyed) guest.say(type, stream, flags, payload);
        }
        await guest.settle();
        session.close();
        for (const outcome of await waits) {
          if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(BangerError);
          else if (outcome.value instanceof Duplex) outcome.value.on("error", () => {});
        }
        await session.closed;
      }),
      { numRuns: 300 },
    );
  });
});

describe("a guest that has gone silent", () => {
  const limits = { askMs: 10, lostMs: 100 };

  test("is not asked whether it answers when it was heard of a moment ago, or has work", async () => {
    const guest = new FakeGuest();
    const session = await guest.session({ askMs: 60_000, lostMs: 60_000 });
    await session.answering();
    expect(guest.sent).toHaveLength(0);
    session.close();
    const busy = await new FakeGuest().session({ askMs: 10, lostMs: 60_000 });
    const child = await busy.exec(request);
    await Bun.sleep(20);
    await busy.answering();
    busy.close();
    await expect(child.exit).rejects.toThrow("closed");
  });

  test("is asked before something new is begun, and its session ends when it does not answer", async () => {
    const guest = new FakeGuest();
    const session = await guest.session(limits);
    await Bun.sleep(20);
    await expect(session.answering()).rejects.toBeInstanceOf(BangerError);
    expect((await session.closed).reason).toContain("does not answer any more");
    const well = new FakeGuest();
    const other = await well.session({ askMs: 100, lostMs: 1000 });
    await Bun.sleep(120);
    const asked = other.answering();
    well.say(Frame.pong, 0, 0);
    await asked;
    other.close();
  });

  test("is asked, and given up when it does not answer while a command runs", async () => {
    const guest = new FakeGuest();
    const session = await guest.session(limits);
    const child = await session.exec(request);
    await expect(child.exit).rejects.toThrow("does not answer any more");
    expect(guest.sent.some((frame) => frame[5] === Frame.ping || frame.includes(Frame.ping))).toBe(true);
    await session.closed;
  });

  test("is left alone while nothing is expected of it, and while it answers", async () => {
    const guest = new FakeGuest();
    const session = await guest.session(limits);
    await Bun.sleep(150);
    const child = await session.exec(request);
    child.exit.catch(() => {});
    for (let rounds = 0; rounds < 15; rounds += 1) {
      await Bun.sleep(10);
      guest.say(Frame.pong, 0, 0);
    }
    expect(await Promise.race([session.closed.then(() => "closed"), Promise.resolve("open")])).toBe("open");
    session.close();
  });
});
