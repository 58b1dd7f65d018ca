/** How long servers are waited for, and trying again what broke on the way. */
import { setTimeout as wait } from "node:timers/promises";
import { BangerError } from "../base/base.ts";
import { Interrupted } from "./interrupted.ts";

export interface Patience {
  /** Without an answer, or a byte of it, for so long, a server has gone. */
  silenceMs: number;
  /** An answer must have at least `slowBytes` in each `slowMs`. */
  slowMs: number;
  slowBytes: number;
  /** Between attempts: doubled each time. */
  pauseMs: number;
}

export const patience: Patience = { silenceMs: 30_000, slowMs: 60_000, slowBytes: 16 * 1024, pauseMs: 500 };

export const maxAttempts = 5;

/** The first result of `attempt`; throws unavailable after the last that was interrupted, and at once for anything else. */
export async function attempts<T>(
  patience: Patience,
  what: string,
  signal: AbortSignal,
  attempt: () => Promise<T>,
): Promise<T> {
  for (let failed = 0; ; ) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof Interrupted)) throw error;
      failed += 1;
      if (failed === maxAttempts) throw lost(what, error);
      await pause(patience, failed, error, signal);
    }
  }
}

/** Longer after each failure, and as long as the server asked for at least. Throws cancelled. */
export async function pause(
  { pauseMs }: Patience,
  failed: number,
  interrupted: Interrupted,
  signal: AbortSignal,
): Promise<void> {
  const ms = Math.max(interrupted.pauseMs, pauseMs * 2 ** (failed - 1));
  await wait(ms, undefined, { signal }).catch((cause: unknown) => {
    throw new BangerError("cancelled", "cancelled", { cause });
  });
}

export function lost(what: string, last: Interrupted): BangerError {
  return new BangerError("unavailable", `${what} cannot be fetched: ${last.message}`, {
    hint: "check the network (a proxy is taken from HTTPS_PROXY), and try again: what has come is kept",
    cause: last,
  });
}
