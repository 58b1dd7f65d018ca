/** Tickets: promises of a byte stream, each used once. */
import { randomBytes } from "node:crypto";
import type { Duplex } from "node:stream";

export type OnStream = (stream: Duplex) => void;

const lifetimeMs = 30_000;

export class Tickets {
  readonly #waiting = new Map<string, OnStream>();

  /** A ticket that is void after 30 s, or when `signal` aborts. */
  issue(onStream: OnStream, signal: AbortSignal): string {
    const ticket = randomBytes(16).toString("hex");
    this.#waiting.set(ticket, onStream);
    const revoke = () => {
      clearTimeout(timer);
      this.#waiting.delete(ticket);
    };
    const timer = setTimeout(revoke, lifetimeMs);
    timer.unref();
    signal.addEventListener("abort", revoke, { once: true });
    return ticket;
  }

  redeem(ticket: string): OnStream | undefined {
    const onStream = this.#waiting.get(ticket);
    this.#waiting.delete(ticket);
    return onStream;
  }
}
