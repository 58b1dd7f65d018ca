/** How far a guest's wall clock is off, measured from outside. */
import type { Banger } from "./fixture.ts";

const rounds = 20;
/** Bash tells the time without a process of its own: a round trip is then the way there and back. */
const tell = 'while read -r _; do echo "$EPOCHREALTIME"; done';

/** Of some round trips the shortest, as if the guest had looked at its clock in the middle; right to half of it. */
export async function clockOf(banger: Banger, name: string): Promise<{ offMs: number; withinMs: number }> {
  const child = banger.start(["vm", "exec", name, "--", "bash", "-c", tell]);
  const gone = Promise.withResolvers<never>();
  gone.promise.catch(() => {});
  const closed = new Promise<void>((resolve) => child.once("close", () => resolve()));
  void closed.then(() => gone.reject(new Error(`the clock of ${name} cannot be asked`)));
  let best = { offMs: Number.NaN, withinMs: Number.POSITIVE_INFINITY };
  try {
    for (let round = 0; round < rounds; round += 1) {
      const asked = performance.now();
      const answer = new Promise<string>((resolve) => {
        child.stdout.once("data", (bytes: Buffer) => resolve(bytes.toString()));
      });
      child.stdin.write("\n");
      const guestMs = Number(await Promise.race([answer, gone.promise])) * 1000;
      const half = (performance.now() - asked) / 2;
      if (half < best.withinMs) best = { offMs: guestMs - (Date.now() + 0.5 - half), withinMs: half };
    }
  } finally {
    child.stdin.end();
    await closed;
  }
  return best;
}
