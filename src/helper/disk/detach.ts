/** The operation disk.detach. */
import { join } from "node:path";
import { BangerError, type VmId } from "../../base/base.ts";
import { removeMapped } from "../../sys/sys.ts";
import { mapperName, mapperUuid } from "../names.ts";
import type { Operation } from "../operation.ts";
import { removeNode } from "./mapper-node.ts";
import { clearOverlayLoops } from "./snapshot.ts";

/** udev and blkid look into a device when it changes, and hold it for a moment; a VMM that was killed does too. In ms. */
const busyMs = 5000;
const retryMs = 20;

interface Plan {
  vm: VmId;
  name: string;
  uuid: string;
}

export const detachDisk: Operation<"disk.detach", Plan> = {
  validate: ({ vm }) => ({ vm, name: mapperName(vm), uuid: mapperUuid(vm) }),

  do: async ({ vm, name, uuid }, { places }) => {
    for (const until = Date.now() + busyMs; !removeMapped(uuid); ) {
      // The kernel has no event for it.
      if (Date.now() > until) {
        throw new BangerError("precondition", `the device ${name} is in use`, {
          hint: `see by whom: sudo fuser -v ${join(places.mapper, name)}`,
        });
      }
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
    removeNode(join(places.mapper, name));
    clearOverlayLoops(vm, places);
    return {};
  },
};
