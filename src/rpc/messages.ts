/**
 * JSON-RPC 2.0 (jsonrpc.org/specification) over a socket: requests and notifications, and cancellation as the Language
 * Server Protocol has it: a notification `$/cancelRequest {id}`, after which the request is answered all the same.
 * No batches, and ids are integers.
 *
 * Own code, because the library (vscode-jsonrpc 10) took 3.4 of 38 ms of a `vm exec -- true` to load, read each frame a
 * second time behind our limits, and waited for a turn of the event loop per message.
 */
import type { Duplex } from "node:stream";
import { BangerError } from "../base/base.ts";
import { FrameReader, frame } from "./frames.ts";

export interface ErrorObject {
  code: number;
  message: string;
  data?: unknown;
}

export type Answer = { result: unknown } | { error: ErrorObject };

/** What a side does with what it gets. A side that has no `request` answers none. */
export interface Receiver {
  /** Must not reject. `cancelled` is aborted when the caller cancels. */
  request?(method: string, params: unknown, cancelled: AbortSignal): Promise<Answer>;
  notification?(method: string, params: unknown): void;
}

export interface Messages {
  /** Resolves to undefined when the connection ends first. Aborting cancels; the answer is waited for. */
  request(method: string, params: unknown, signal?: AbortSignal): Promise<Answer | undefined>;
  notify(method: string, params: unknown): void;
  /** Resolves when the peer has taken what was sent so far, but for what the kernel holds for it; or has gone. */
  taken(): Promise<void>;
}

type Message =
  | { kind: "request"; id: number; method: string; params: unknown }
  | { kind: "notification"; method: string; params: unknown }
  | { kind: "answer"; id: number; answer: Answer };

const cancelMethod = "$/cancelRequest";

/** Speaks over a socket whose first line has been dealt with. A peer that sends garbage loses it. */
export function speak(socket: Duplex, receiver: Receiver): Messages {
  const reader = new FrameReader();
  const asked = new Map<number, (answer: Answer | undefined) => void>();
  const answering = new Map<number, AbortController>();
  let lastId = 0;

  const send = (message: object): void => {
    if (!socket.destroyed) socket.write(frame(JSON.stringify({ jsonrpc: "2.0", ...message })));
  };
  const answer = async (id: number, method: string, params: unknown): Promise<void> => {
    if (receiver.request === undefined || answering.has(id)) throw garbage();
    const cancelled = new AbortController();
    answering.set(id, cancelled);
    const given = await receiver.request(method, params, cancelled.signal);
    answering.delete(id);
    send({ id, ...given });
    // Whoever does not read the answers is not listened to meanwhile.
    if (!socket.writableNeedDrain || socket.isPaused()) return;
    socket.pause();
    socket.once("drain", () => socket.resume());
  };
  const receive = (message: Message): void => {
    if (message.kind === "request") {
      answer(message.id, message.method, message.params).catch(() => socket.destroy());
    } else if (message.kind === "answer") {
      const settle = asked.get(message.id);
      if (settle === undefined) throw garbage();
      asked.delete(message.id);
      settle(message.answer);
    } else if (message.method === cancelMethod) {
      answering.get(idOf(message.params) ?? 0)?.abort();
    } else receiver.notification?.(message.method, message.params);
  };

  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    try {
      for (const text of reader.read(chunk)) receive(parseMessage(text));
    } catch {
      // Whatever it was that the peer sent: there is no telling where the next message begins.
      socket.destroy();
    }
  });
  socket.on("close", () => {
    for (const settle of asked.values()) settle(undefined);
    asked.clear();
  });
  return {
    notify: (method, params) => send({ method, params }),
    taken: async () => {
      if (socket.destroyed || !socket.writableNeedDrain) return;
      await new Promise<void>((resolve) => {
        const over = () => {
          socket.off("drain", over);
          socket.off("close", over);
          resolve();
        };
        socket.on("drain", over);
        socket.on("close", over);
      });
    },
    request: (method, params, signal) => {
      if (socket.destroyed) return Promise.resolve(undefined);
      const id = ++lastId;
      const cancel = () => send({ method: cancelMethod, params: { id } });
      const answered = Promise.withResolvers<Answer | undefined>();
      asked.set(id, answered.resolve);
      send({ id, method, params });
      if (signal === undefined) return answered.promise;
      signal.addEventListener("abort", cancel, { once: true });
      return answered.promise.finally(() => signal.removeEventListener("abort", cancel));
    },
  };
}

/** Throws bad_request for what is no message. */
function parseMessage(text: string): Message {
  const message: unknown = JSON.parse(text);
  if (!isObject(message) || message.jsonrpc !== "2.0") throw garbage();
  const { method, params } = message;
  if (typeof method === "string" && message.id === undefined) return { kind: "notification", method, params };
  const id = idOf(message);
  if (id === undefined) throw garbage();
  if (typeof method === "string") return { kind: "request", id, method, params };
  const { error } = message;
  if (error === undefined) return { kind: "answer", id, answer: { result: message.result } };
  if (!isObject(error) || typeof error.code !== "number" || typeof error.message !== "string")
    throw garbage();
  return {
    kind: "answer",
    id,
    answer: { error: { code: error.code, message: error.message, data: error.data } },
  };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function idOf(message: unknown): number | undefined {
  return isObject(message) && Number.isSafeInteger(message.id) ? Number(message.id) : undefined;
}

function garbage(): BangerError {
  return new BangerError("bad_request", "the peer does not speak JSON-RPC");
}
