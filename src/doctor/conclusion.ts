/** The few words that a person needs first: do VMs run here, and how fast. */
import type { Result } from "./judge.ts";

export interface Conclusion {
  works: "yes" | "slowly" | "no";
  text: string;
  /** What to type next; null while VMs do not work. */
  next: string | null;
}

/** Without these VMs run all the same. */
const besideThePoint = ["vms", "forwarding", "guest-path"];

/** Whose warning means that VMs are emulated. */
const speed = ["kvm", "qemu"];

export function conclude(results: readonly Result[]): Conclusion {
  const named = (state: Result["state"]) =>
    results.filter((each) => each.state === state).map(({ id }) => id);
  const inTheWay = named("fail").filter((id) => !besideThePoint.includes(id));
  if (inTheWay.length > 0)
    return { works: "no", text: `VMs do not work here: see ${inTheWay.join(", ")}.`, next: null };
  const warnings = named("warn");
  const others = [...named("fail"), ...warnings.filter((id) => !speed.includes(id))];
  const rest = others.length === 0 ? "" : ` Worth a look: ${others.join(", ")}.`;
  const next = "banger vm run --rm";
  return warnings.some((id) => speed.includes(id))
    ? {
        works: "slowly",
        text: `VMs work here, but slowly: without KVM their processor is emulated.${rest}`,
        next,
      }
    : { works: "yes", text: `VMs work here, at full speed.${rest}`, next };
}
