/** Ports of this host that lead into a run's VM: those of `--publish`, then those that the repository asks for. */
import { toBangerError } from "../../base/base.ts";
import type { PortForward } from "../../project/project.ts";
import type { Context } from "../context.ts";
import type { Forwards } from "../guest/forward.ts";
import { endpoint, type ForwardSpec } from "../guest/forward-spec.ts";

const loopback = "127.0.0.1";

/** Throws already_exists for one of `publish` that is in use, before there is a VM. */
export async function openPublished(ctx: Context, publish: readonly ForwardSpec[]): Promise<Forwards[]> {
  if (publish.length === 0) return [];
  const { openForwards } = await import("../guest/forward.ts");
  return [await openForwards(ctx, publish)];
}

/**
 * One that is in use is told, and no more: a second VM of the same repository finds it so. A guest's port that is published
 * already is where the user wants it.
 */
export async function openAskedFor(
  ctx: Context,
  file: string,
  ports: readonly PortForward[],
  published: readonly ForwardSpec[],
): Promise<Forwards[]> {
  const opened: Forwards[] = [];
  for (const { host, guest } of ports) {
    if (published.some(({ guestPort }) => guestPort === guest)) continue;
    try {
      opened.push(...(await openPublished(ctx, [{ address: loopback, hostPort: host, guestPort: guest }])));
    } catch (error) {
      const why = toBangerError(error).message;
      ctx.note(
        `${file}: ${why}, so nothing of ${endpoint(loopback, host)} leads to port ${guest} of the VM; for another: -p HOST:${guest}`,
      );
    }
  }
  return opened;
}
