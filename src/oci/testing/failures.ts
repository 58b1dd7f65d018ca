/** Errors as tests compare them. */
import { expect } from "bun:test";

/** What a promise was rejected with; undefined when it was not. */
export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

export function saying(code: string, message: RegExp): object {
  return { code, message: expect.stringMatching(message) };
}
