/** What a person may call a VM: its name, its id, or the unique beginning of its id. */
import { BangerError, nearest } from "../base/base.ts";

/** With fewer digits somebody who mistypes a name would mean a VM by chance. */
const leastDigits = 2;

interface Named {
  id: string;
  name: string;
}

/** The one VM that `ref` means. An id wins over a name, a name over the beginning of an id. Throws not_found or ambiguous. */
export function resolveRef<T extends Named>(ref: string, vms: readonly T[]): T {
  const exact = vms.find((vm) => vm.id === ref) ?? vms.find((vm) => vm.name === ref);
  if (exact) return exact;
  const prefixed =
    /^[0-9a-f-]+$/.test(ref) && ref.length >= leastDigits ? vms.filter((vm) => vm.id.startsWith(ref)) : [];
  const [first, ...others] = prefixed;
  if (first && others.length === 0) return first;
  if (first) {
    const names = prefixed.map((vm) => `${vm.name} (${vm.id.slice(0, 8)})`).join(", ");
    throw new BangerError(
      "ambiguous",
      `${JSON.stringify(ref)} is the beginning of several VMs' ids: ${names}`,
      {
        hint: "give a name, or more of the id",
      },
    );
  }
  if (/^[0-9a-f]$/.test(ref) && vms.some((vm) => vm.id.startsWith(ref))) {
    throw new BangerError(
      "not_found",
      `${JSON.stringify(ref)} is too little of an id: ${leastDigits} digits at least`,
      {
        hint: "see the ids: banger vm list",
      },
    );
  }
  const meant = nearest(
    ref,
    vms.map((vm) => vm.name),
  );
  throw new BangerError("not_found", `there is no VM ${JSON.stringify(ref)}`, {
    hint: meant === undefined ? "see what there is: banger vm list" : `did you mean ${meant}?`,
  });
}
