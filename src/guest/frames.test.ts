import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { BangerError } from "../base/base.ts";
import { encodeHeader, type FrameHeader, FrameParser } from "./frames.ts";
import {
  ackMagic,
  headerBytes,
  maxPayloadBytes,
  nonceBytes,
  PayloadReader,
  PayloadWriter,
} from "./protocol.ts";

const nonce = Buffer.alloc(nonceBytes, 7);
const echo = Buffer.concat([ackMagic, nonce]);

interface Frame {
  header: FrameHeader;
  payload: Buffer;
}

function parserInto(frames: Frame[]): FrameParser {
  const parser = new FrameParser((header, payload) => frames.push({ header, payload: Buffer.from(payload) }));
  parser.expect(nonce);
  return parser;
}

/** Cuts bytes into chunks at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, index) => bytes.subarray(from, at[index] ?? bytes.length));
}

const frame = fc.record({
  stream: fc.nat(0xffff_ffff),
  type: fc.nat(255),
  flags: fc.nat(255),
  payload: fc.uint8Array({ maxLength: 300 }),
});

describe("frames", () => {
  test("come out as they went in, however the stream is cut, whatever was before the echo", () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 20 }),
        fc.uint8Array({ maxLength: 200 }),
        fc.array(fc.nat(8000), { maxLength: 30 }),
        (sent, leftovers, places) => {
          const encoded = sent.flatMap(({ stream, type, flags, payload }) => [
            encodeHeader(payload.length, stream, type, flags),
            Buffer.from(payload),
          ]);
          const received: Frame[] = [];
          const parser = parserInto(received);
          for (const chunk of cut(Buffer.concat([leftovers, echo, ...encoded]), places)) parser.push(chunk);
          expect(parser.synchronised).toBe(true);
          expect(received).toEqual(
            sent.map(({ stream, type, flags, payload }) => ({
              header: { length: payload.length, stream, type, flags },
              payload: Buffer.from(payload),
            })),
          );
        },
      ),
    );
  });

  test("of any nonsense are either parsed or refused with guest_failed, and nothing else happens", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 5000 }), { maxLength: 10 }),
        fc.boolean(),
        (chunks, synchronised) => {
          const parser = parserInto([]);
          if (synchronised) parser.push(echo);
          try {
            for (const chunk of chunks) parser.push(Buffer.from(chunk));
          } catch (error) {
            expect(error).toBeInstanceOf(BangerError);
            expect(error).toMatchObject({ code: "guest_failed" });
          }
        },
      ),
    );
  });

  test("the largest payload is taken and one byte more is refused", () => {
    const received: Frame[] = [];
    const parser = parserInto(received);
    parser.push(Buffer.concat([echo, encodeHeader(maxPayloadBytes, 1, 17), Buffer.alloc(maxPayloadBytes)]));
    expect(received).toHaveLength(1);
    expect(() => parser.push(encodeHeader(maxPayloadBytes + 1, 1, 17))).toThrow("no frame");
  });

  test("an announced payload that never comes keeps nothing but what has come", () => {
    const received: Frame[] = [];
    const parser = parserInto(received);
    parser.push(Buffer.concat([echo, encodeHeader(maxPayloadBytes, 1, 17)]));
    for (let size = 0; size < maxPayloadBytes - 1; size += 1) parser.push(Buffer.alloc(1));
    expect(received).toHaveLength(0);
    parser.push(Buffer.alloc(1));
    expect(received).toHaveLength(1);
  });

  test("the echo of an earlier nonce is skipped like any other leftover", () => {
    const received: Frame[] = [];
    const parser = parserInto(received);
    const second = Buffer.alloc(nonceBytes, 8);
    parser.push(Buffer.concat([echo, encodeHeader(0, 0, 16)]));
    expect(received).toHaveLength(1);
    parser.expect(second);
    expect(parser.synchronised).toBe(false);
    parser.push(Buffer.concat([encodeHeader(0, 0, 24), echo, encodeHeader(0, 0, 16)]));
    expect(received).toHaveLength(1);
    parser.push(Buffer.concat([ackMagic, second, encodeHeader(0, 0, 16)]));
    expect(received).toHaveLength(2);
  });

  test("a guest that never echoes is given up after a bounded number of bytes", () => {
    const parser = parserInto([]);
    const chunk = Buffer.alloc(1 << 20, "BNGRACK1");
    const flood = () => {
      for (let round = 0; round < 20; round += 1) parser.push(chunk);
    };
    expect(flood).toThrow("not the protocol");
  });

  test("nothing is parsed before a nonce is expected", () => {
    const received: Frame[] = [];
    const parser = new FrameParser((header, payload) => received.push({ header, payload }));
    parser.push(Buffer.concat([echo, encodeHeader(0, 0, 16)]));
    expect(received).toHaveLength(0);
    expect(headerBytes).toBe(12);
  });
});

describe("payload fields", () => {
  test("are read as they were written", () => {
    fc.assert(
      fc.property(
        fc.nat(255),
        fc.nat(65_535),
        fc.nat(0xffff_ffff),
        fc.string({ unit: "grapheme" }).filter((text) => !text.includes("\0")),
        (a, b, c, text) => {
          const payload = new PayloadWriter().u8(a).u16(b).u32(c).u64(BigInt(c)).string(text).done();
          const reader = new PayloadReader(payload);
          expect([reader.u8(), reader.u16(), reader.u32(), reader.u64(), reader.string()]).toEqual([
            a,
            b,
            c,
            c,
            text,
          ]);
          expect(reader.rest()).toHaveLength(0);
        },
      ),
    );
  });

  test("that are cut off, or claim more than there is, are refused", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const reader = new PayloadReader(Buffer.from(bytes));
        try {
          for (;;) reader.string();
        } catch (error) {
          expect(error).toMatchObject({ code: "guest_failed" });
        }
      }),
    );
  });
});
