/** How a guest is talked to: by its agent; and by ssh when that does not answer and a network leads to the guest. */
import { BangerError, toBangerError } from "../base/base.ts";
import type { GuestSession } from "./guest.ts";
import { openSshSession } from "./ssh-session.ts";
import type { SshTarget } from "./ssh-target.ts";

export interface WaysIn {
  agent(signal: AbortSignal): Promise<GuestSession>;
  /** Undefined where no network leads to the guest. */
  ssh: SshTarget | undefined;
}

/** In ms. */
export interface Patience {
  /** How long the agent is asked. */
  agentMs: number;
  /** How long it is asked alone, before ssh is tried beside it. */
  agentAloneMs: number;
  sshMs: number;
}

/** Throws the agent's own error; where ssh was tried, what it had to say is in `details.ssh`. */
export async function openSession(
  ways: WaysIn,
  patience: Patience,
  signal: AbortSignal,
): Promise<GuestSession> {
  const decided = new AbortController();
  const within = (ms: number) => AbortSignal.any([signal, decided.signal, AbortSignal.timeout(ms)]);
  const agent = ways.agent(within(patience.agentMs));
  if (ways.ssh === undefined) return agent;
  // Both may still be under way when one has won.
  agent.catch(() => {});
  let timer: ReturnType<typeof setTimeout> | undefined;
  const alone = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, patience.agentAloneMs, undefined);
  });
  const first = await Promise.race([agent.catch(() => undefined), alone]).finally(() => clearTimeout(timer));
  if (first !== undefined) return first;
  signal.throwIfAborted();
  const sshLimit = within(patience.sshMs);
  const ssh = openSshSession(ways.ssh, { signal: sshLimit }).catch((error: unknown) => {
    if (!sshLimit.aborted || signal.aborted || decided.signal.aborted) throw error;
    throw new BangerError("timeout", `sshd did not let us in within ${patience.sshMs / 1000} s`);
  });
  ssh.catch(() => {});
  try {
    const winner = await Promise.any([agent, ssh]);
    for (const way of [agent, ssh]) {
      way.then((session) => (session === winner ? undefined : session.close())).catch(() => {});
    }
    return winner;
  } catch (error) {
    const [byAgent, bySsh] = error instanceof AggregateError ? error.errors : [error, error];
    const { code, message, hint } = toBangerError(byAgent);
    const { message: ssh, hint: sshHint } = toBangerError(bySsh);
    throw new BangerError(code, message, { hint: sshHint ?? hint, details: { ssh }, cause: byAgent });
  } finally {
    decided.abort();
  }
}
