/** The operation disk.status. */
import type { VmId } from "../../base/base.ts";
import { mappedStatus } from "../../sys/sys.ts";
import { mapperUuid } from "../names.ts";
import type { Operation } from "../operation.ts";
import { parseSnapshotStatus, requireSnapshot } from "./snapshot.ts";

export const diskStatus: Operation<"disk.status", VmId> = {
  validate: ({ vm }) => vm,
  check: (vm) => void requireSnapshot(vm),
  do: async (vm) => parseSnapshotStatus(mappedStatus(mapperUuid(vm))),
};
