/** What banger keeps on the host's disk, and what of it nobody needs: counted, never removed here. */
import { imageCatalog } from "../catalog/catalog.ts";
import { freeSpace } from "../disk/disk.ts";
import type { DiskUsage, ImageInfo } from "../rpc/rpc.ts";
import { allocatedIn, type Counted } from "../sys/sys.ts";
import { isIdle, vmFiles } from "../vm/vm.ts";
import type { Parts } from "./parts.ts";

type Part = DiskUsage["parts"][number];

/**
 * By the order in which it would have to be removed. VMs that do not run count as not needed, and so does what only they need; the
 * default image, and its kernel, are always needed.
 */
export async function diskUsage(parts: Parts): Promise<DiskUsage> {
  const { paths, config, images, vms } = parts;
  // Frozen disks have a second name in the directory of their VM: they count as the VM's.
  const counted: Counted = new Set();
  const ofVms = await Promise.all(
    vms.list().map(async (vm) => {
      const bytes = await allocatedIn(vmFiles(paths.vm, vm.id).dir, counted);
      return { id: vm.id, name: vm.name, bytes, unused: isIdle(vm) };
    }),
  );
  const kept = vms.list().filter((vm) => !isIdle(vm));
  const neededImages = new Set(kept.map(({ image }) => image.id));
  const neededKernels = new Set(kept.map(({ kernel }) => kernel.id));
  const current = await images.current(config.default_image_name);
  // One that was put into the store by hand has no row yet, by which a name would mean it.
  const isDefault = (id: string, name: string) =>
    current === undefined ? name === config.default_image_name : id === current;
  const ofImages = (await images.listImages()).map((image) => ({
    ...{ id: image.id, name: image.name, kernel: image.kernel, bytes: image.sizeBytes ?? 0 },
    // What the user has made, or brought, cannot be had again.
    unused: isFetched(image) && !neededImages.has(image.id) && !isDefault(image.id, image.name),
  }));
  // The default image may be still to come: its kernel is made first.
  const kernelOfDefault = imageCatalog.find(({ name }) => name === config.default_image_name)?.kernel;
  const ofKernels = (await images.listKernels()).map(({ id, name, sizeBytes, imported }) => ({
    ...{ id, name, bytes: sizeBytes ?? 0 },
    unused:
      !imported &&
      !neededKernels.has(id) &&
      name !== kernelOfDefault &&
      !ofImages.some((image) => !image.unused && image.kernel === name),
  }));
  const snapshots = await vms.live.snapshots(undefined);
  const templates = await parts.templates.list();
  const cache = await images.pruneCache(false);
  return {
    directory: paths.vm.vms,
    freeBytes: (await freeSpace(paths.vm.vms)).bytes,
    parts: [
      partOf("vm", ofVms),
      {
        what: "saved",
        count: snapshots.length + vms.list().filter(({ checkpoint }) => checkpoint !== null).length,
        bytes: await allocatedIn(paths.checkpoints, counted),
        unused: [],
      },
      partOf("image", ofImages),
      partOf("kernel", ofKernels),
      {
        what: "template",
        count: templates.length,
        bytes: templates.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
        unused: [],
      },
      { what: "cache", count: cache.blobs, bytes: cache.bytes, unused: wholeOf(cache) },
    ],
  };
}

function wholeOf({ blobs, bytes }: { blobs: number; bytes: number }): Part["unused"] {
  return blobs === 0 ? [] : [{ id: "", name: `${blobs} blobs`, bytes }];
}

function partOf(
  what: Part["what"],
  all: readonly { id: string; name: string; bytes: number; unused: boolean }[],
): Part {
  return {
    what,
    count: all.length,
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    unused: all.filter(({ unused }) => unused).map(({ id, name, bytes }) => ({ id, name, bytes })),
  };
}

/** Out of a catalog or a registry, and not of a file, a Dockerfile or a VM. */
function isFetched({ kind, oci }: ImageInfo): boolean {
  if (kind === "oci" || kind === "provisioned")
    return !/^(oci|oci-archive|docker-archive):|^build of /.test(oci?.reference ?? "");
  return kind === "recipe" || kind === "bundle";
}
