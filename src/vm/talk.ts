/** A session with the guest of a machine that runs: the guest room decides by which way. */
import type { VmId } from "../base/base.ts";
import { type GuestSession, openSession, type Patience } from "../guest/guest.ts";
import type { MachineHandle } from "../vmm/vmm.ts";
import type { VmDeps } from "./deps.ts";

const mostGreetings = 3;

export async function talk(
  deps: VmDeps,
  id: VmId,
  machine: MachineHandle,
  patience: Patience,
  signal: AbortSignal = new AbortController().signal,
): Promise<GuestSession> {
  const vm = deps.state.vms.get(id);
  const session = await openSession(
    {
      agent: (limit) => greet(deps, machine, limit),
      ssh: vm && deps.sshTarget?.(vm),
    },
    patience,
    signal,
  );
  if (session.channel === "ssh") deps.log.warn("the guest agent does not answer: going by ssh", { vm: id });
  return session;
}

/**
 * By the agent. A guest that has just gone on may end its first connection: Firecracker has its vsock driver end those that
 * there were when it was saved, and up to 1.15 that strikes one that comes before the guest has come to it. So another one is
 * tried; it never strikes one that has answered.
 */
export async function greet(
  { driver, openSession }: Pick<VmDeps, "driver" | "openSession">,
  machine: MachineHandle,
  limit: AbortSignal,
): Promise<GuestSession> {
  for (let attempt = 1; ; attempt += 1) {
    const stream = await driver.agentStream(machine, limit);
    try {
      return await openSession(stream, limit);
    } catch (error) {
      if (limit.aborted || attempt === mostGreetings) throw error;
    }
  }
}
