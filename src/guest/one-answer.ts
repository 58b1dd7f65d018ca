/** A request that is answered by one result. */
import { BangerError } from "../base/base.ts";
import type { StreamSession } from "./agent-session.ts";
import { errnoText } from "./channel.ts";
import { PayloadReader, type PayloadWriter } from "./protocol.ts";

interface Request {
  /** For errors. */
  what: string;
  request: PayloadWriter;
  limitMs: number;
}

/** What came with the result. Throws guest_failed when it is an error, timeout when there is none in time. */
export async function oneAnswer(
  session: StreamSession,
  { what, request, limitMs }: Request,
  signal?: AbortSignal,
): Promise<PayloadReader> {
  const channel = session.open(request);
  const limit = AbortSignal.timeout(limitMs);
  const onAbort = () => session.reset(channel);
  for (const one of [limit, signal]) one?.addEventListener("abort", onAbort, { once: true });
  try {
    const { errno, payload } = await channel.result;
    if (errno !== 0) {
      const where = new PayloadReader(payload).string();
      throw new BangerError("guest_failed", `${what} failed in the guest: ${where}: ${errnoText(errno)}`);
    }
    return new PayloadReader(payload);
  } catch (error) {
    if (limit.aborted) throw notAnswered(what);
    throw error;
  } finally {
    for (const one of [limit, signal]) one?.removeEventListener("abort", onAbort);
  }
}

export function notAnswered(what: string): BangerError {
  return new BangerError("timeout", `the guest agent did not answer (${what})`);
}
