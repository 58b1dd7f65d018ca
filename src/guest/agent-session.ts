/** The session over the agent protocol: handshake, streams, requests. */
import type { Duplex } from "node:stream";
import { BangerError } from "../base/base.ts";
import { abortable } from "./abort.ts";
import { Channel } from "./channel.ts";
import { encodeHeader, type FrameHeader, FrameParser } from "./frames.ts";
import { keepGreeting } from "./greeting.ts";
import type { GuestHello, GuestSession } from "./guest.ts";
import { Liveness, type LivenessLimits, usualLimits } from "./liveness.ts";
import { readHello, readPorts, readStats } from "./messages.ts";
import { oneAnswer } from "./one-answer.ts";
import { connectStream, execProcess, packTree, unpackTree } from "./operations.ts";
import { personalise, setClock } from "./personalise.ts";
import { Control, Frame, Operation, PayloadReader, PayloadWriter, protocolVersion } from "./protocol.ts";

export interface SessionOptions {
  signal?: AbortSignal;
  /** How long the handshake may take; default: until the signal aborts. In ms. */
  handshakeTimeoutMs?: number;
  liveness?: LivenessLimits;
  /** How long a request without a stream may take; default a minute. In ms. */
  answerTimeoutMs?: number;
  log?: { debug(message: string, facts?: Record<string, unknown>): void };
}

/** More streams than the agent has slots for are refused here. */
const maxStreams = 250;

/** Speaks the handshake on a fresh byte stream. Rejects when the guest does not answer before the signal aborts. */
export function openAgentSession(stream: Duplex, options: SessionOptions = {}): Promise<GuestSession> {
  return new AgentSession(stream, options).handshake(options.signal);
}

class AgentSession implements GuestSession {
  readonly channel = "agent";
  readonly closed: Promise<{ reason: string }>;
  readonly #closed = Promise.withResolvers<{ reason: string }>();
  readonly #hello = Promise.withResolvers<GuestHello>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #channels = new Map<number, Channel>();
  readonly #pings: PromiseWithResolvers<Buffer>[] = [];
  readonly #parser = new FrameParser((header, payload) => this.#receive(header, payload));
  #greeting: GuestHello | undefined;
  #nextId = 1;
  #over: BangerError | undefined;
  /** Settles when the transport takes more; all who wait share it. */
  #drained: PromiseWithResolvers<void> | undefined;
  readonly #liveness: Liveness;
  /** Even under emulation: a guest that takes longer is stuck. */
  readonly answerTimeoutMs: number;

  constructor(
    private readonly stream: Duplex,
    private readonly options: SessionOptions,
  ) {
    this.closed = this.#closed.promise;
    this.answerTimeoutMs = options.answerTimeoutMs ?? 60_000;
    this.#liveness = new Liveness(options.liveness ?? usualLimits, {
      ask: () => void this.ping().catch(() => {}),
      lost: () => this.#end(new BangerError("unavailable", "the guest agent does not answer any more")),
      expected: () => this.#channels.size > 0,
    });
    this.#hello.promise.catch(() => {});
    this.#ready.promise.catch(() => {});
    stream.on("data", (chunk: Buffer) => {
      this.#liveness.heard();
      try {
        if (this.#over === undefined) this.#parser.push(chunk);
      } catch (error) {
        this.#end(error instanceof BangerError ? error : new BangerError("guest_failed", String(error)));
      }
    });
    stream.on("drain", () => this.#drain());
    stream.on("error", (error) =>
      this.#end(new BangerError("guest_failed", `the way to the guest broke: ${error.message}`)),
    );
    stream.on("close", () => this.#end(new BangerError("guest_failed", "the way to the guest was closed")));
    stream.on("end", () => this.#end(new BangerError("guest_failed", "the way to the guest was closed")));
  }

  get hello(): GuestHello {
    if (this.#greeting === undefined) throw new BangerError("internal", "the guest has not said hello yet");
    return this.#greeting;
  }

  async handshake(signal?: AbortSignal): Promise<GuestSession> {
    const onAbort = () => this.#end(new BangerError("cancelled", "the guest agent did not say hello"));
    signal?.addEventListener("abort", onAbort, { once: true });
    const { handshakeTimeoutMs } = this.options;
    const late = `the guest agent did not say hello within ${handshakeTimeoutMs} ms`;
    const tooLate = () => this.#end(new BangerError("timeout", late));
    const limit = handshakeTimeoutMs === undefined ? undefined : setTimeout(tooLate, handshakeTimeoutMs);
    if (signal?.aborted) onAbort();
    const stopGreeting = keepGreeting(this.stream, this.#parser);
    try {
      this.#greeting = await this.#hello.promise;
    } finally {
      stopGreeting();
      clearTimeout(limit);
      signal?.removeEventListener("abort", onAbort);
    }
    const { protocol } = this.#greeting;
    if (protocol !== protocolVersion) {
      const what = `the guest agent speaks protocol ${protocol}, this banger ${protocolVersion}`;
      const error = new BangerError("bad_version", what, { hint: "restart the VM: banger vm restart" });
      this.#end(error);
      throw error;
    }
    if (this.#greeting.basicReached) this.#ready.resolve();
    return this;
  }

  #receive({ stream, type, flags }: FrameHeader, payload: Buffer): void {
    switch (type) {
      case Frame.hello:
        this.#hello.resolve(readHello(new PayloadReader(payload)));
        return;
      case Frame.ready:
        this.#ready.resolve();
        return;
      case Frame.pong:
        this.#pings.shift()?.resolve(Buffer.from(payload));
        return;
      case Frame.goodbye:
        throw new BangerError(
          "guest_failed",
          "the guest agent did not understand this side and gave up the session",
        );
      default:
        // A stream that has ended on this side may still have frames under way: they are dropped.
        this.#channels.get(stream)?.receive(type, flags, payload);
        if (type === Frame.result) this.#channels.delete(stream);
    }
  }

  send(header: Buffer, payload?: Buffer): Promise<void> | undefined {
    if (this.#over !== undefined) return undefined;
    this.stream.cork();
    let more = this.stream.write(header);
    if (payload !== undefined) more = this.stream.write(payload);
    this.stream.uncork();
    if (more) return undefined;
    this.#drained ??= Promise.withResolvers();
    return this.#drained.promise;
  }

  #drain(): void {
    this.#drained?.resolve();
    this.#drained = undefined;
  }

  /** Opens a stream for an operation. */
  open(request: PayloadWriter): Channel {
    if (this.#over !== undefined) throw this.#over;
    if (this.#channels.size >= maxStreams)
      throw new BangerError("unavailable", "too many streams to this guest are open already");
    const channel = new Channel(this.#nextId, this);
    this.#nextId = (this.#nextId % 0xffff_fffe) + 1;
    this.#channels.set(channel.id, channel);
    this.#liveness.start();
    const payload = request.done();
    void this.send(encodeHeader(payload.length, channel.id, Frame.open), payload);
    return channel;
  }

  /** Forgets a stream and has the guest kill what stands behind it. */
  reset(channel: Channel): void {
    if (!this.#channels.delete(channel.id)) return;
    void this.send(encodeHeader(0, channel.id, Frame.reset));
    channel.fail(new BangerError("cancelled", "cancelled"));
  }

  control(channel: Channel, request: PayloadWriter): void {
    const payload = request.done();
    void this.send(encodeHeader(payload.length, channel.id, Frame.control), payload);
  }

  /** A request that is answered by one result. Throws timeout when it is not. */
  ask(what: string, request: PayloadWriter, signal?: AbortSignal): Promise<PayloadReader> {
    return oneAnswer(this, { what, request, limitMs: this.answerTimeoutMs }, signal);
  }

  async answering(): Promise<void> {
    const { askMs } = this.options.liveness ?? usualLimits;
    // With streams open the liveness looks out, and is more patient: ending the session would end them.
    if (this.#channels.size > 0 || this.#liveness.silentMs < askMs) return;
    try {
      await this.ping(AbortSignal.timeout(askMs / 2));
    } catch (error) {
      if (this.#channels.size > 0) return;
      this.#end(new BangerError("unavailable", "the guest agent does not answer any more"));
      throw error;
    }
  }

  ready(signal?: AbortSignal): Promise<void> {
    return abortable(this.#ready.promise, signal);
  }

  async exec(request: Parameters<GuestSession["exec"]>[0], signal?: AbortSignal) {
    return execProcess(this, request, signal);
  }

  personalise(person: Parameters<GuestSession["personalise"]>[0], signal?: AbortSignal): Promise<void> {
    return personalise(this, person, signal);
  }

  unpack(root: string, tar: Parameters<GuestSession["unpack"]>[1], signal?: AbortSignal) {
    return unpackTree(this, root, tar, signal);
  }

  async pack(path: string, signal?: AbortSignal) {
    return packTree(this, path, signal);
  }

  connect(target: Parameters<GuestSession["connect"]>[0], signal?: AbortSignal) {
    return connectStream(this, target, signal);
  }

  async ports(signal?: AbortSignal) {
    return readPorts(await this.ask("listing ports", new PayloadWriter().u8(Operation.ports), signal));
  }

  async stats(signal?: AbortSignal) {
    return readStats(await this.ask("statistics", new PayloadWriter().u8(Operation.stats), signal));
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await this.pong(signal);
  }

  /** A round trip; what the guest said with it. */
  pong(signal?: AbortSignal): Promise<Buffer> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const pong = Promise.withResolvers<Buffer>();
    pong.promise.catch(() => {});
    this.#pings.push(pong);
    void this.send(encodeHeader(0, 0, Frame.ping));
    return abortable(pong.promise, signal);
  }

  setClock(signal?: AbortSignal): Promise<void> {
    return setClock(this, signal);
  }

  async releaseWorkDisk(signal?: AbortSignal): Promise<void> {
    await this.ask("giving the work disk back", new PayloadWriter().u8(Operation.releaseWorkDisk), signal);
  }

  async takeWorkDisk(signal?: AbortSignal): Promise<void> {
    await this.ask("mounting the work disk", new PayloadWriter().u8(Operation.takeWorkDisk), signal);
  }

  rest(paused: boolean): void {
    this.#liveness.rest(paused);
  }

  async powerOff(how: "systemd" | "immediate", signal?: AbortSignal): Promise<void> {
    const request = new PayloadWriter().u8(Operation.powerOff).u8(how === "systemd" ? 1 : 2);
    await this.ask("power-off", request, signal);
  }

  resize(channel: Channel, columns: number, rows: number): void {
    this.control(channel, new PayloadWriter().u8(Control.resize).u16(columns).u16(rows));
  }

  signal(channel: Channel, signal: number): void {
    this.control(channel, new PayloadWriter().u8(Control.signal).u8(signal));
  }

  get openStreams(): number {
    return this.#channels.size;
  }

  close(why = new BangerError("guest_failed", "the session was closed")): void {
    this.#end(why);
  }

  #end(error: BangerError): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    this.#liveness.stop();
    this.options.log?.debug("agent session ended", { reason: error.message });
    this.stream.destroy();
    this.#hello.reject(error);
    this.#ready.reject(error);
    for (const channel of this.#channels.values()) channel.fail(error);
    this.#channels.clear();
    for (const pong of this.#pings.splice(0)) pong.reject(error);
    this.#drain();
    this.#closed.resolve({ reason: error.message });
  }
}

/** What the operations need of a session. */
export type StreamSession = Pick<AgentSession, "hello" | "open" | "reset" | "resize" | "signal">;
/** What requests that are more than one frame need of it. */
export type RequestSession = Pick<AgentSession, "ask" | "pong" | "answerTimeoutMs">;
