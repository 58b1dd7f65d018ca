/** A limit for what a daemon is asked: one that is halted takes each question, and answers none, not even that it is cancelled. */
import { BangerError } from "../base/base.ts";

/** Throws timeout when the daemon does not do `what` within `ms`. Whoever called closes the connection. */
export async function within<A>(ms: number, what: string, answer: Promise<A>, hint: string): Promise<A> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => late.reject(new BangerError("timeout", `bangerd does not ${what} within ${ms / 1000} s`, { hint })),
    ms,
  );
  return Promise.race([answer, late.promise]).finally(() => clearTimeout(timer));
}
