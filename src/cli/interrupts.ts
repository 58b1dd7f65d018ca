/** The signals that a person or a supervisor ends banger with. */
import type { Interrupt } from "./context.ts";

export const interrupts: readonly Interrupt[] = ["SIGINT", "SIGTERM", "SIGHUP"];

const statuses: Record<Interrupt, number> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/** 128 + the signal's number, as a shell reports a program that died of it. */
export function statusOf(interrupt: Interrupt): number {
  return statuses[interrupt];
}

/** An abort reason as the interrupt it stands for. */
export function interruptOf(reason: unknown): Interrupt | undefined {
  return interrupts.find((name) => name === reason);
}
