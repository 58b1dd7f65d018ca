/**
 * QMP, QEMU's control socket: one JSON object a line. The server greets; the client says qmp_capabilities; from then on
 * commands are answered in their order, with events in between (docs/interop/qmp-spec in QEMU's tree). Commands may be
 * sent before the former ones are answered. The greeting says that QEMU is up, the socket's end that it has gone.
 */
import { connect, type Socket } from "node:net";
import { z } from "zod";
import { BangerError } from "../../base/base.ts";

const maxLineBytes = 64 * 1024;
const Greeting = z.looseObject({ QMP: z.looseObject({}) });
const Event = z.looseObject({ event: z.string(), data: z.looseObject({}).optional() });
const Refusal = z.looseObject({ error: z.looseObject({ desc: z.string() }) });
const Success = z.looseObject({ return: z.unknown() });

export type QmpEvent = z.infer<typeof Event>;

export interface Qmp {
  /** Resolves when the socket has ended, which it does with its process. */
  readonly closed: Promise<void>;
  /** Resolves with what QEMU returned, rejects with its refusal. */
  execute(command: string, args?: Record<string, unknown>): Promise<unknown>;
  /** Resolves with the first event from now on that is wanted; rejects when the socket ends. */
  event(wanted: (event: QmpEvent) => boolean): Promise<QmpEvent>;
  close(): void;
}

/**
 * Connects and negotiates. Rejects when the socket is not there, or what answers is no QMP server. The signal ends the
 * connection, and with it whatever waits for an answer.
 */
export async function connectQmp(path: string, signal?: AbortSignal): Promise<Qmp> {
  const connection = new Connection(connect(path));
  const onAbort = () => connection.end(new BangerError("cancelled", "cancelled"));
  signal?.addEventListener("abort", onAbort, { once: true });
  void connection.closed.then(() => signal?.removeEventListener("abort", onAbort));
  try {
    if (signal?.aborted) onAbort();
    await connection.greeted;
    await connection.execute("qmp_capabilities");
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

interface Waiting {
  wanted: (event: QmpEvent) => boolean;
  found: PromiseWithResolvers<QmpEvent>;
}

class Connection implements Qmp {
  readonly closed: Promise<void>;
  readonly greeted: Promise<void>;
  readonly #greeting = Promise.withResolvers<void>();
  #hasGreeted = false;
  #over: unknown;
  #text = "";
  readonly #commands: { command: string; answer: PromiseWithResolvers<unknown> }[] = [];
  readonly #waiting = new Set<Waiting>();

  constructor(private readonly socket: Socket) {
    const closed = Promise.withResolvers<void>();
    this.closed = closed.promise;
    this.greeted = this.#greeting.promise;
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      try {
        this.#read(chunk);
      } catch (error) {
        this.end(error);
      }
    });
    socket.on("error", (error) => this.end(error));
    socket.on("close", () => {
      this.end(new BangerError("guest_failed", "QEMU closed its control socket"));
      closed.resolve();
    });
  }

  execute(command: string, args?: Record<string, unknown>): Promise<unknown> {
    const answer = Promise.withResolvers<unknown>();
    if (this.#over !== undefined) return Promise.reject(this.#over);
    this.#commands.push({ command, answer });
    this.socket.write(`${JSON.stringify({ execute: command, arguments: args })}\n`);
    return answer.promise;
  }

  event(wanted: Waiting["wanted"]): Promise<QmpEvent> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    const waiting = { wanted, found: Promise.withResolvers<QmpEvent>() };
    this.#waiting.add(waiting);
    return waiting.found.promise;
  }

  close(): void {
    this.end(new BangerError("cancelled", "QEMU's control socket was closed"));
  }

  /** Nothing waits any longer. Only the first reason counts. */
  end(reason: unknown): void {
    this.socket.destroy();
    if (this.#over !== undefined) return;
    this.#over = reason;
    this.#greeting.reject(reason);
    for (const { answer } of this.#commands.splice(0)) answer.reject(reason);
    for (const { found } of this.#waiting) found.reject(reason);
    this.#waiting.clear();
  }

  #read(chunk: string): void {
    this.#text += chunk;
    if (this.#text.length > maxLineBytes)
      throw new BangerError("guest_failed", "QEMU's control socket sent too long a line");
    const lines = this.#text.split("\n");
    this.#text = lines.pop() ?? "";
    for (const json of lines) if (json.trim() !== "") this.#line(JSON.parse(json));
  }

  #line(message: unknown): void {
    if (!this.#hasGreeted) {
      Greeting.parse(message);
      this.#hasGreeted = true;
      this.#greeting.resolve();
      return;
    }
    if (typeof message === "object" && message !== null && "event" in message) {
      const event = Event.parse(message);
      for (const waiting of this.#waiting) {
        if (!waiting.wanted(event)) continue;
        this.#waiting.delete(waiting);
        waiting.found.resolve(event);
      }
      return;
    }
    const asked = this.#commands.shift();
    if (asked === undefined)
      throw new BangerError("guest_failed", "QEMU's control socket answered what nobody asked");
    const { data: refusal } = Refusal.safeParse(message);
    if (refusal === undefined) asked.answer.resolve(Success.parse(message).return);
    else {
      const what = `QEMU refused ${asked.command}: ${refusal.error.desc}`;
      asked.answer.reject(new BangerError("guest_failed", what));
    }
  }
}
