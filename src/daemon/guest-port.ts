/** A guest's TCP ports, for whoever comes for them: a client of the socket, or of a name. */
import type { Duplex } from "node:stream";
import type { GuestSession } from "../guest/guest.ts";
import type { Parts } from "./parts.ts";

/**
 * A stream to a port of the guest's loopback. For as long as it is open the VM counts as used; one that sleeps because
 * nobody used it goes on first.
 */
export async function connectGuestPort(
  { vms, runtimes }: Pick<Parts, "vms" | "runtimes">,
  ref: string,
  port: number,
  signal: AbortSignal,
): Promise<{ stream: Duplex; channel: GuestSession["channel"] }> {
  const vm = await vms.reach(ref, { signal });
  const over = vms.idleVms.begin(vm.id);
  try {
    const session = await runtimes.session(vm, signal);
    const stream = await session.connect({ port }, signal);
    stream.once("close", over);
    return { stream, channel: session.channel };
  } catch (error) {
    over();
    throw error;
  }
}

/** Both directions, each half-closed by itself; an error on either side ends both, and so does one that is closed. */
export function joinStreams(a: Duplex, b: Duplex): void {
  endWith(a, b);
  endWith(b, a);
  a.on("error", () => b.destroy());
  b.on("error", () => a.destroy());
  a.pipe(b);
  b.pipe(a);
}

/** What it has said goes out before. */
function endWith(one: Duplex, other: Duplex): void {
  one.on("close", () => {
    if (other.writableFinished || !one.readableEnded) other.destroy();
    else other.once("finish", () => other.destroy());
  });
}
