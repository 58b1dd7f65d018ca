/** The operation machine.signal. */
import { constants } from "node:os";
import { BangerError, type VmId } from "../../base/base.ts";
import { signalProcess } from "../../sys/sys.ts";
import type { Operation } from "../operation.ts";
import { findMachine } from "./cgroup.ts";

interface Plan {
  vm: VmId;
  number: number;
}

export const signalMachine: Operation<"machine.signal", Plan> = {
  validate: ({ vm, signal }) => ({ vm, number: constants.signals[`SIG${signal}`] }),

  do: async ({ vm, number }, { places }) => {
    const machine = findMachine(places, vm);
    if (machine === undefined || !signalProcess(machine, number))
      throw new BangerError("precondition", `VM ${vm} does not run`);
    return {};
  },
};
