/** One stream of a session: bytes to the guest, up to two streams of bytes back, with credit each way. */
import { Readable, Writable } from "node:stream";
import { BangerError } from "../base/base.ts";
import { encodeHeader } from "./frames.ts";
import { Frame, maxPayloadBytes, windowBytes } from "./protocol.ts";

/** What a channel needs of its session. */
export interface FrameSink {
  /** Resolves when the transport takes more. */
  send(header: Buffer, payload?: Buffer): Promise<void> | undefined;
}

export interface ChannelResult {
  errno: number;
  payload: Buffer;
}

/** Payloads up to this are copied. */
const copiedBytes = 4096;

const errnoNames: Record<number, string> = {
  1: "operation not permitted",
  2: "no such file or directory",
  5: "input/output error",
  12: "out of memory",
  13: "permission denied",
  16: "in use",
  19: "no such device",
  22: "invalid argument",
  24: "too many streams",
  28: "no space left in the guest",
  32: "broken pipe",
  104: "connection reset",
  110: "timed out",
  111: "connection refused",
};

export function errnoText(errno: number): string {
  return errnoNames[errno] ?? `errno ${errno}`;
}

export class Channel {
  readonly stdin: Writable;
  readonly outs: readonly [Readable, Readable];
  readonly result: Promise<ChannelResult>;
  readonly opened: Promise<void>;
  readonly #opened = Promise.withResolvers<void>();
  readonly #result = Promise.withResolvers<ChannelResult>();
  #credit = windowBytes;
  #wake: (() => void) | undefined;
  readonly #received = [0, 0];
  readonly #allowed = [windowBytes, windowBytes];
  readonly #ended = [false, false];
  #over = false;
  #failed: number | undefined;

  constructor(
    readonly id: number,
    private readonly sink: FrameSink,
  ) {
    this.result = this.#result.promise;
    this.opened = this.#opened.promise;
    // Whoever asks hears of a failure; nobody having asked is no crash.
    this.result.catch(() => {});
    this.opened.catch(() => {});
    this.stdin = new Writable({
      highWaterMark: windowBytes,
      write: (chunk: Buffer, _encoding, done) => {
        this.#write(chunk).then(() => done(), done);
      },
      final: (done) => {
        if (!this.#over) void this.sink.send(encodeHeader(0, id, Frame.eof));
        done();
      },
    });
    // A command that ends before it has read everything is no error of the session's.
    this.stdin.on("error", () => {});
    this.outs = [this.#readable(0), this.#readable(1)];
  }

  #readable(channel: 0 | 1): Readable {
    const readable = new Readable({ highWaterMark: windowBytes / 2, read: () => this.#grant(channel) });
    readable.on("error", () => {
      // Reported through `result` too; an unread stderr must not crash the daemon.
    });
    return readable;
  }

  /** Called when the reader wants more: what it has taken so far is given back to the guest, in portions. */
  #grant(channel: 0 | 1): void {
    const taken = this.#received[channel] ?? 0;
    if (this.#over || taken < windowBytes / 4) return;
    this.#received[channel] = 0;
    this.#allowed[channel] = (this.#allowed[channel] ?? 0) + taken;
    const payload = Buffer.alloc(4);
    payload.writeUInt32LE(taken);
    void this.sink.send(encodeHeader(4, this.id, Frame.window, channel), payload);
  }

  async #write(chunk: Buffer): Promise<void> {
    for (let at = 0; at < chunk.length && !this.#over; ) {
      if (this.#credit === 0) {
        await new Promise<void>((resolve) => (this.#wake = resolve));
        continue;
      }
      const part = chunk.subarray(at, at + Math.min(maxPayloadBytes, this.#credit));
      this.#credit -= part.length;
      at += part.length;
      await this.sink.send(encodeHeader(part.length, this.id, Frame.data), part);
    }
  }

  /** Throws guest_failed when the guest sends more than it was allowed to. */
  receive(type: number, flags: number, payload: Buffer): void {
    const channel = flags === 1 ? 1 : 0;
    switch (type) {
      case Frame.out: {
        const left = (this.#allowed[channel] ?? 0) - payload.length;
        if (left < 0)
          throw new BangerError("guest_failed", "the guest agent sent more than it was allowed to");
        this.#allowed[channel] = left;
        this.#received[channel] = (this.#received[channel] ?? 0) + payload.length;
        if (this.#ended[channel])
          throw new BangerError("guest_failed", "the guest agent sent output after its end");
        // A view keeps its whole chunk in memory: no harm, unless it is a small part of it.
        this.outs[channel].push(payload.length < copiedBytes ? Buffer.from(payload) : payload);
        return;
      }
      case Frame.outEof:
        this.#endOut(channel);
        return;
      case Frame.grant: {
        const more = payload.length === 4 ? payload.readUInt32LE() : windowBytes + 1;
        if (more > windowBytes - this.#credit)
          throw new BangerError("guest_failed", "the guest agent granted more than a window");
        this.#credit += more;
        this.#wake?.();
        this.#wake = undefined;
        return;
      }
      case Frame.opened:
        this.#opened.resolve();
        return;
      case Frame.result: {
        if (payload.length < 4)
          throw new BangerError("guest_failed", "the guest agent sent a result that is cut off");
        const result = { errno: payload.readUInt32LE(), payload: Buffer.from(payload.subarray(4)) };
        this.#end();
        this.#failed = result.errno === 0 ? undefined : result.errno;
        for (const channel of [0, 1] as const) this.#endOut(channel);
        this.#opened.reject(new BangerError("guest_failed", errnoText(result.errno)));
        this.#result.resolve(result);
        return;
      }
      default:
        throw new BangerError("guest_failed", `the guest agent sent a frame of unknown type ${type}`);
    }
  }

  #endOut(channel: 0 | 1): void {
    if (this.#ended[channel]) return;
    this.#ended[channel] = true;
    this.outs[channel].push(null);
  }

  /** True once nothing more can come of it. */
  get over(): boolean {
    return this.#over;
  }

  /** The errno with which it ended, if that was not 0. */
  get failed(): number | undefined {
    return this.#failed;
  }

  /** The session is gone. */
  fail(error: BangerError): void {
    this.#end();
    for (const out of this.outs) out.destroy(error);
    this.stdin.destroy();
    this.#opened.reject(error);
    this.#result.reject(error);
  }

  #end(): void {
    this.#over = true;
    this.#wake?.();
    this.#wake = undefined;
  }
}
