/** A session with the guest of a machine that runs: the guest room decides by which way. */
import type { VmId } from "../base/base.ts";
import { type GuestSession, openSession, type Patience } from "../guest/guest.ts";
import type { MachineHandle } from "../vmm/vmm.ts";
import type { VmDeps } from "./deps.ts";

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
      agent: async (limit) => deps.openSession(await deps.driver.agentStream(machine, limit), limit),
      ssh: vm && deps.sshTarget?.(vm),
    },
    patience,
    signal,
  );
  if (session.channel === "ssh") deps.log.warn("the guest agent does not answer: going by ssh", { vm: id });
  return session;
}
