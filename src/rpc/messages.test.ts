import { describe, expect, test } from "bun:test";
import type { Duplex } from "node:stream";
import { bytePair } from "../cli/testing/byte-pair.ts";
import { FrameReader, frame, maxFrameBytes } from "./frames.ts";
import { type Answer, speak } from "./messages.ts";

describe("a frame", () => {
  const texts = ['{"a":"ä€😀"}', "x".repeat(70_000), "[]"];
  const bytes = Buffer.concat(texts.map(frame));

  test.each([1, 2, 3, 7, 100, 65_536, bytes.length])("is put together from pieces of %d bytes", (size) => {
    const reader = new FrameReader();
    const seen: string[] = [];
    for (let at = 0; at < bytes.length; at += size) seen.push(...reader.read(bytes.subarray(at, at + size)));
    expect(seen).toEqual(texts);
  });

  test.each([
    "GET / HTTP/1.1\r\n\r\n",
    "Content-Length: -1\r\n\r\n",
    "Content-Length: 0\r\n\r\n",
    "Content-Length: 1e3\r\n\r\n",
    "content-length: 2\r\n\r\n[]",
    "Content-Length: 2\r\nContent-Type: x\r\n\r\n[]",
    "x".repeat(300),
    `Content-Length: ${maxFrameBytes + 1}\r\n\r\n`,
  ])("is not %j", (text) => {
    expect(() => [...new FrameReader().read(Buffer.from(text))]).toThrow();
  });
});

/** Two sides; the first one asks, the second answers. */
function sides(answer: (params: unknown, cancelled: AbortSignal) => Promise<Answer>) {
  const [near, far] = bytePair();
  const heard: unknown[] = [];
  const asking = speak(near, { notification: (method, params) => heard.push([method, params]) });
  const answering = speak(far, { request: (_method, params, cancelled) => answer(params, cancelled) });
  return { asking, answering, heard, near, far };
}

describe("messages", () => {
  test("are answered in whatever order, each to its own question", async () => {
    const first = Promise.withResolvers<Answer>();
    const { asking } = sides((params) =>
      params === "late" ? first.promise : Promise.resolve({ result: params }),
    );
    const late = asking.request("m", "late");
    expect(await asking.request("m", "early")).toEqual({ result: "early" });
    first.resolve({ error: { code: 1, message: "no", data: { code: "denied" } } });
    expect(await late).toEqual({ error: { code: 1, message: "no", data: { code: "denied" } } });
  });

  test("that are notifications arrive before an answer that was sent after them", async () => {
    const bed = sides(async (params) => {
      bed.answering.notify("n", params);
      return { result: 0 };
    });
    await bed.asking.request("m", 1);
    expect(bed.heard).toEqual([["n", 1]]);
  });

  test("that are cancelled abort the other side's work, and are answered all the same", async () => {
    const { asking } = sides(
      (_params, cancelled) =>
        new Promise((resolve) =>
          cancelled.addEventListener("abort", () => resolve({ result: "stopped" }), { once: true }),
        ),
    );
    const abort = new AbortController();
    const answer = asking.request("m", {}, abort.signal);
    abort.abort();
    expect(await answer).toEqual({ result: "stopped" });
  });

  test("are not answered by a connection that has ended", async () => {
    const { asking, near } = sides(() => new Promise(() => {}));
    const answer = asking.request("m", {});
    near.destroy();
    expect(await answer).toBeUndefined();
    expect(await asking.request("m", {})).toBeUndefined();
  });
});

describe("a peer that sends garbage loses the connection:", () => {
  const ended = (socket: Duplex) => new Promise<void>((resolve) => socket.once("close", resolve));

  test.each([
    "{]}",
    "null",
    "7",
    "[]",
    "{}",
    '{"jsonrpc":"1.0","id":1,"method":"m"}',
    '{"jsonrpc":"2.0","id":"1","method":"m"}',
    '{"jsonrpc":"2.0","id":1.5,"method":"m"}',
    '{"jsonrpc":"2.0","id":1}',
    '{"jsonrpc":"2.0","id":1,"result":1}',
    '{"jsonrpc":"2.0","id":1,"error":"no"}',
    '{"jsonrpc":"2.0","method":7}',
  ])("%s", async (text) => {
    const { near, far } = sides(async () => ({ result: 0 }));
    far.write(frame(text));
    await ended(near);
  });

  test("a question to a side that answers none, or a number that is in use", async () => {
    const { near, far, answering } = sides(() => new Promise(() => {}));
    const question = frame('{"jsonrpc":"2.0","id":1,"method":"m"}');
    near.write(Buffer.concat([question, question]));
    await ended(far);
    expect(await answering.request("m", {})).toBeUndefined();
    const other = sides(async () => ({ result: 0 }));
    void other.answering.request("m", {});
    await ended(other.near);
  });
});
