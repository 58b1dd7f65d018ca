/**
 * The way to a guest's agent: Firecracker's host end of vsock is a unix socket. Who connects says "CONNECT PORT\n"; when
 * somebody in the guest listens there the answer is "OK PORT\n", and all that follows is the guest's. Otherwise the
 * connection ends, after 2 s when the guest's driver has not come up yet (docs/vsock.md of Firecracker).
 */
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { BangerError } from "../../base/base.ts";
import { cancelled } from "../waiting.ts";

/** "OK " and a port of 32 bits. */
const answer = /^OK [0-9]{1,10}$/;
const maxAnswerBytes = 16;
/** Firecracker gives up after 2 s. Longer: it is stopped, or its host starved. */
const attemptMs = 5000;
/** Between attempts: a refused one costs the booting guest an interrupt or two. Longer for one that takes long anyway. */
const pauseMs = (sinceMs: number) => (sinceMs < 2000 ? 5 : Math.min(100, sinceMs / 400));

export interface VsockTarget {
  socket: string;
  port: number;
  /** False when there is nothing left to wait for. */
  alive(): boolean;
}

/** Connects, again and again until the guest listens. Throws unavailable when the machine is gone. */
export async function connectVsock(target: VsockTarget, signal?: AbortSignal): Promise<Duplex> {
  for (const begun = performance.now(); ; ) {
    if (signal?.aborted) throw cancelled(signal.reason);
    const stream = await attempt(target, signal);
    if (stream !== undefined) return stream;
    if (!target.alive())
      throw new BangerError("unavailable", "the VM's agent cannot be reached: the machine is gone");
    await new Promise((resolve) => setTimeout(resolve, pauseMs(performance.now() - begun)));
  }
}

/** One connection; undefined when nobody listens. Throws when what answers is no Firecracker, and on the signal. */
function attempt({ socket: path, port }: VsockTarget, signal?: AbortSignal): Promise<Duplex | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    const line = new AnswerLine(socket);
    const settle = (act: () => void) => {
      clearTimeout(limit);
      signal?.removeEventListener("abort", onAbort);
      socket.off("readable", onReadable).off("error", nobody).off("end", nobody).off("close", nobody);
      act();
    };
    const fail = (error: BangerError) =>
      settle(() => {
        // Nobody will hear of what else becomes of it.
        socket.on("error", () => {}).destroy();
        reject(error);
      });
    const nobody = () =>
      settle(() => {
        socket.on("error", () => {}).destroy();
        resolve(undefined);
      });
    const onAbort = () => fail(cancelled(signal?.reason));
    const onReadable = () => {
      const text = line.read();
      if (text === undefined) return;
      if (answer.test(text)) settle(() => resolve(socket));
      else fail(new BangerError("guest_failed", "what answers on the VM's vsock socket is not Firecracker"));
    };
    const limit = setTimeout(nobody, attemptMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    socket.on("readable", onReadable).on("error", nobody).on("end", nobody).on("close", nobody);
    // In one piece: Firecracker reads it without waiting for the rest.
    socket.once("connect", () => socket.write(`CONNECT ${port}\n`));
  });
}

/** Takes bytes off a stream up to the first newline, and not one more. */
class AnswerLine {
  #text = "";

  constructor(private readonly socket: Socket) {}

  /** The line without its newline, or what is too long to be one; undefined while it is incomplete. */
  read(): string | undefined {
    for (;;) {
      const byte: unknown = this.socket.read(1);
      if (!Buffer.isBuffer(byte)) return undefined;
      const char = byte.toString("latin1");
      if (char === "\n" || this.#text.length >= maxAnswerBytes) return this.#text;
      this.#text += char;
    }
  }
}
