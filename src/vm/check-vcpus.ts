/** What the driver can make, before anything is made. */
import { BangerError } from "../base/base.ts";
import type { VmmDriver } from "../vmm/vmm.ts";

/** Throws bad_request for more processors than this driver gives a VM. */
export function checkVcpus(
  { name, capabilities: { maxVcpus = Number.POSITIVE_INFINITY } }: Pick<VmmDriver, "name" | "capabilities">,
  asked: number | undefined,
): void {
  if (asked === undefined || asked <= maxVcpus) return;
  throw new BangerError("bad_request", `${name} gives a VM at most ${maxVcpus} CPUs, not ${asked}`, {
    hint: `ask for fewer: --vcpu ${maxVcpus}`,
  });
}
