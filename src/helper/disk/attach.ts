/** The operation disk.attach. */
import { constants, fstatSync } from "node:fs";
import { join } from "node:path";
import { BangerError, type VmId } from "../../base/base.ts";
import {
  attachLoop,
  createMapped,
  findLoop,
  findMapped,
  isBackedBy,
  mappedUuid,
  removeMapped,
  startMapped,
} from "../../sys/sys.ts";
import { holding } from "../descriptors.ts";
import {
  baseTag,
  imageFile,
  mapperMinors,
  mapperName,
  mapperUuid,
  overlayTag,
  stateFiles,
} from "../names.ts";
import type { Operation, Site } from "../operation.ts";
import { refused } from "../policy.ts";
import { openOwned, openState } from "../state-files.ts";
import { hasChunksOf } from "./layer-header.ts";
import { ensureNode } from "./mapper-node.ts";
import { chunkSectorsOf, consistsOf, requireSnapshot } from "./snapshot.ts";

const sectorBytes = 512;
/**
 * 4 KiB, a block of the guest's file system: what a guest writes is then always whole chunks, which the kernel takes as
 * they are; of larger ones it first copies the rest from the image.
 */
const chunkSectors = 8;

interface Plan {
  vm: VmId;
  name: string;
  uuid: string;
  minors: number[];
  base: { path: string; tag: string };
  overlay: { path: string; tag: string };
}

export const attachDisk: Operation<"disk.attach", Plan> = {
  validate: ({ vm, image, home }) => ({
    vm,
    name: mapperName(vm),
    uuid: mapperUuid(vm),
    minors: mapperMinors(vm),
    base: { path: imageFile(image), tag: baseTag(image) },
    overlay: { path: stateFiles(vm, home).overlay, tag: overlayTag(vm) },
  }),

  check: ({ name, uuid }) => {
    const there = mappedUuid(name);
    if (there !== undefined && there !== uuid)
      throw refused(`the device ${name} is not this VM's`, `see whose it is: dmsetup info ${name}`);
  },

  do: (plan, site, { signal }) =>
    holding(async (hold) => {
      const state = hold(openState(site));
      const base = hold(openOwned(site, state, plan.base.path, constants.O_RDONLY, "any"));
      const overlay = hold(openOwned(site, state, plan.overlay.path, constants.O_RDWR, "one"));
      if (findMapped(plan.uuid)?.active) {
        if (consistsOf(plan.vm, base, overlay)) return result(plan, site);
        throw new BangerError("precondition", `the root disk of VM ${plan.vm} is attached with other files`, {
          hint: "stop the VM first",
        });
      }
      // What a helper that was killed has left of it.
      if (!removeMapped(plan.uuid))
        throw new BangerError("operation_failed", `the device ${plan.name} is busy`);
      // Two VMs of one image that start at once share its loop device, too.
      await site.locks.holding(plan.base.tag, signal, async () => {
        const origin = baseLoop(plan, base);
        hold(origin.fd);
        const layer = attachLoop(overlay, plan.overlay.tag, { readOnly: false });
        hold(layer.fd);
        if (!hasChunksOf(overlay, chunkSectors)) throw damaged(plan.vm);
        create(plan);
        const sectors = Math.floor(fstatSync(base).size / sectorBytes);
        const table = `7:${origin.number} 7:${layer.number} P ${chunkSectors}`;
        start(plan, sectors, table);
        // Whoever wrote another size between the look and the kernel's own has not gained the memory for longer than this.
        if (chunkSectorsOf(plan.vm) !== chunkSectors) {
          removeMapped(plan.uuid);
          throw damaged(plan.vm);
        }
      });
      return result(plan, site);
    }),

  undo: async ({ uuid }) => {
    // Loop devices clear themselves. A device that is live was there before, and stays.
    if (findMapped(uuid)?.active === false) removeMapped(uuid);
  },
};

function baseLoop({ base: { tag } }: Plan, file: number) {
  const shared = findLoop((status) => status.tag === tag && isBackedBy(status, file));
  return shared ?? attachLoop(file, tag, { readOnly: true });
}

function create({ name, uuid, minors }: Plan): void {
  for (const minor of minors) {
    if (createMapped(name, uuid, minor)) return;
    const there = mappedUuid(name);
    if (there !== undefined) throw refused(`the device ${name} has just been made by somebody else`);
  }
  throw new BangerError("operation_failed", `no number is free for the device ${name}`);
}

/** The kernel reads the layer's header and index here, and refuses what is none (ENXIO, EINVAL) or ends in the middle (EIO). */
function start({ vm, uuid }: Plan, sectors: number, table: string): void {
  try {
    startMapped(uuid, sectors, "snapshot", table);
  } catch (cause) {
    if (!(cause instanceof Error && /: (ENXIO|EINVAL|EIO)$/.test(cause.message))) throw cause;
    throw damaged(vm, cause);
  }
}

function damaged(vm: VmId, cause?: unknown): BangerError {
  return new BangerError(
    "corrupt",
    `the layer of the root disk of VM ${vm} is damaged: the kernel does not take it`,
    {
      hint: "its files under /root are safe, in the work disk; make a new VM",
      cause,
    },
  );
}

function result({ vm, name }: Plan, { places }: Site) {
  const device = requireSnapshot(vm);
  const path = join(places.mapper, name);
  ensureNode(path, device);
  return { device: path, major: device.major, minor: device.minor };
}
