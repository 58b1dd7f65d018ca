/**
 * The operation disk.flush. What a machine has written is in the kernel's cache of the device, which no file shows; after this
 * it is in the VM's layer, and on the host's disk.
 */
import { randomBytes } from "node:crypto";
import { fsync } from "node:fs";
import { promisify } from "node:util";
import type { VmId } from "../../base/base.ts";
import { openDeviceFor } from "../../sys/sys.ts";
import { holding } from "../descriptors.ts";
import { openJailBase } from "../machine/jail.ts";
import type { Operation } from "../operation.ts";
import { requireSnapshot } from "./snapshot.ts";

const root = { uid: 0, gid: 0 };

export const flushDisk: Operation<"disk.flush", VmId> = {
  validate: ({ vm }) => vm,

  check: (vm) => void requireSnapshot(vm),

  do: (vm, site) =>
    holding(async (hold) => {
      // By a node of its own, as disk.check has one: udev looks at a device whose usual node was open for writing.
      const name = `.flush-${randomBytes(8).toString("hex")}`;
      const device = hold(openDeviceFor(root, hold(openJailBase(site)), name, requireSnapshot(vm)));
      await promisify(fsync)(device);
      return {};
    }),
};
