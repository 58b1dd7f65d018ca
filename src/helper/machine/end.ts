/** The operation machine.end. */
import type { VmId } from "../../base/base.ts";
import type { Operation } from "../operation.ts";
import { endCgroup } from "./cgroup.ts";
import { removeJail } from "./jail.ts";

export const endMachine: Operation<"machine.end", VmId> = {
  validate: ({ vm }) => vm,

  do: async (vm, site) => {
    await endCgroup(site.places, vm);
    await removeJail(site, vm);
    return {};
  },
};
