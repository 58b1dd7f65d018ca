/** Making a guest who it is, with the right time. */
import type { RequestSession } from "./agent-session.ts";
import { clockStep } from "./clock-step.ts";
import type { Personality } from "./guest.ts";
import { readClock, writePersonality } from "./messages.ts";
import { Operation, PayloadWriter } from "./protocol.ts";

export async function personalise(
  session: RequestSession,
  person: Personality,
  signal?: AbortSignal,
): Promise<void> {
  const step =
    person.clock === "host" ? await clockStep(async () => readClock(await session.pong(signal))) : 0n;
  const request = new PayloadWriter().u8(Operation.personalise);
  // An older agent, which does not tell the time, is told it instead, as it is when the request is sent.
  const timeNs = step === undefined ? BigInt(Date.now()) * 1_000_000n : 0n;
  const clock = new PayloadWriter().u8(Operation.clock).i64(step ?? 0n);
  await Promise.all([
    step ? session.ask("setting the clock", clock, signal) : undefined,
    session.ask("personalise", writePersonality(request, person, timeNs), signal),
  ]);
}
