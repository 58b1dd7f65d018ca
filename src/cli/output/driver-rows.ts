/** What runs VMs, or why nothing does. */
import type { DaemonStatus } from "../../rpc/contract.ts";

export type DriverFacts = Pick<
  DaemonStatus,
  "driver" | "driverUsable" | "acceleration" | "driverReason" | "driverHint"
>;

export function driverRows(facts: DriverFacts): [string, string][] {
  const { driver, driverUsable, acceleration, driverReason, driverHint } = facts;
  if (!driverUsable) {
    const remedy = ` (${driverHint ?? "more: banger doctor"})`;
    return [
      ["driver", `${driver}, which cannot run VMs here: ${driverReason ?? "no reason is known"}${remedy}`],
    ];
  }
  const more = acceleration === "kvm" ? "" : " (more: banger doctor)";
  const why: [string, string][] =
    driverReason === null ? [] : [["why this driver", `${driverReason}${more}`]];
  return [["driver", `${driver} (${acceleration})`], ...why];
}
