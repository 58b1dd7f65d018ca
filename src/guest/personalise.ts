/** Making a guest who it is, and its clock right. */
import { BangerError } from "../base/base.ts";
import type { RequestSession } from "./agent-session.ts";
import { clockStep } from "./clock-step.ts";
import type { Personality } from "./guest.ts";
import { readClock, writePersonality } from "./messages.ts";
import { notAnswered } from "./one-answer.ts";
import { Operation, PayloadWriter } from "./protocol.ts";

export async function personalise(
  session: RequestSession,
  person: Personality,
  signal?: AbortSignal,
): Promise<void> {
  const step = person.clock === "host" ? await wrongBy(session, signal) : 0n;
  const request = new PayloadWriter().u8(Operation.personalise);
  // An older agent, which does not tell the time, is told it instead, as it is when the request is sent.
  const timeNs = step === undefined ? BigInt(Date.now()) * 1_000_000n : 0n;
  await Promise.all([
    step ? stepClock(session, step, signal) : undefined,
    session.ask("personalise", writePersonality(request, person, timeNs), signal),
  ]);
}

/** Throws bad_version where the guest's agent is of an older banger. */
export async function setClock(session: RequestSession, signal?: AbortSignal): Promise<void> {
  const step = await wrongBy(session, signal);
  if (step === undefined) throw new BangerError("bad_version", "the guest's agent is of an older banger");
  if (step) await stepClock(session, step, signal);
}

/** In ns; undefined when the agent does not tell the time. */
async function wrongBy(session: RequestSession, signal?: AbortSignal): Promise<bigint | undefined> {
  const late = AbortSignal.timeout(session.answerTimeoutMs);
  const limit = signal === undefined ? late : AbortSignal.any([late, signal]);
  try {
    return await clockStep(async () => readClock(await session.pong(limit)));
  } catch (error) {
    throw late.aborted ? notAnswered("telling the time") : error;
  }
}

async function stepClock(session: RequestSession, step: bigint, signal?: AbortSignal): Promise<void> {
  await session.ask("setting the clock", new PayloadWriter().u8(Operation.clock).i64(step), signal);
}
