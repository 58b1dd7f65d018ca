/** Waiting for both daemons: systemd calls a service active before its socket is there. */
import { BangerError } from "../../base/base.ts";
import type { SystemHost } from "./system-host.ts";
import { unitNames } from "./units.ts";

const readyMs = 15_000;
/** An emulated processor starts the daemons in 5 to 10 s instead of 0.3 (measured, QEMU TCG). */
const emulationFactor = 8;
const pollMs = 100;
/**
 * A service that ends this often while we watch will not stay; on a slow host systemd itself takes minutes to see that.
 * What it did before is not counted: bangerd ends while there is no helper yet.
 */
const givenUpAfter = 3;

export interface Waiting {
  /** What they must be; what still answers may be what is being replaced. */
  build?: { version: string; commit: string };
  signal?: AbortSignal;
}

/** Resolves when both daemons answer. Throws timeout, or operation_failed when one has given up, with its last words. */
export async function waitUntilReady(host: SystemHost, { build, signal }: Waiting = {}): Promise<void> {
  const limit = readyMs * ((await host.systemd.emulated()) ? emulationFactor : 1);
  const { sockets } = host.places;
  const waitedFor = [
    [unitNames.helper, sockets.helper],
    [unitNames.daemon, sockets.daemon],
  ] as const;
  for (const [unit, socket] of waitedFor) {
    const before = await host.systemd.state(unit);
    for (const until = performance.now() + limit; ; ) {
      signal?.throwIfAborted();
      const answer = await host.ping(socket);
      if (answer !== undefined && matches(answer, build)) break;
      const { active, restarts } = await host.systemd.state(unit);
      if (active === "failed" || restarts - before.restarts >= givenUpAfter)
        throw await gaveUp(host, "operation_failed", unit, "does not start");
      if (performance.now() > until) {
        const seconds = Math.round(limit / 1000);
        throw await gaveUp(host, "timeout", unit, `does not answer on ${socket} after ${seconds} s`);
      }
      await new Promise((resolve) => setTimeout(resolve, pollMs));
    }
  }
}

function matches(answer: { version: string; commit: string }, build: Waiting["build"]): boolean {
  return build === undefined || (answer.version === build.version && answer.commit === build.commit);
}

async function gaveUp(
  { systemd }: SystemHost,
  code: "timeout" | "operation_failed",
  unit: string,
  what: string,
): Promise<BangerError> {
  const said = await systemd.lastWords(unit);
  const name = unit.replace(/\.service$/, "");
  return new BangerError(code, `${name} ${what}${said === "" ? "" : `: ${said}`}`, {
    hint: `see why: sudo journalctl -u ${name}`,
  });
}
