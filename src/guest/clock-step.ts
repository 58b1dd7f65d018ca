/** By how much a guest's wall clock is wrong: asked for, with the time that asking takes counted out. */

/** A round trip that is so short is good enough: the result is right to half of it. In ms. */
const shortMs = 50;
const mostRounds = 5;

/**
 * By how much the guest's clock must go forward to say what this host's says, in ns; undefined when the guest does not
 * tell the time. What it says is taken to have been said in the middle of the round trip (Cristian's algorithm): of
 * several the shortest says it best.
 */
export async function clockStep(tell: () => Promise<bigint | undefined>): Promise<bigint | undefined> {
  let best = { ms: Number.POSITIVE_INFINITY, step: 0n };
  for (let round = 0; round < mostRounds && best.ms > shortMs; round += 1) {
    const asked = performance.now();
    const guestNs = await tell();
    if (guestNs === undefined) return undefined;
    const ms = performance.now() - asked;
    // In us: a number holds no ns since 1970.
    const hostUs = Math.round((Date.now() + 0.5 - ms / 2) * 1000);
    if (ms < best.ms) best = { ms, step: BigInt(hostUs) * 1000n - guestNs };
  }
  return best.step;
}
