/** image.* and kernel.* methods. */
import { BangerError, toBangerError } from "../../base/base.ts";
import type { Saving } from "../../image/image.ts";
import type { CallContext, Handlers } from "../../rpc/rpc.ts";
import type { Parts } from "../parts.ts";
import { imageInfo } from "../shelf/info.ts";

type ImageMethods =
  | "image.list"
  | "image.show"
  | "image.pull"
  | "image.name"
  | "image.register"
  | "image.promote"
  | "image.save"
  | "image.delete"
  | "image.prune_cache"
  | "kernel.list"
  | "kernel.show"
  | "kernel.pull"
  | "kernel.import"
  | "kernel.remove";

export function imageHandlers(parts: Parts): Pick<Handlers, ImageMethods> {
  const { images, vms, happenings } = parts;
  /** Whoever follows what happens hears of what was not to be had, too. */
  const orTell = async <T>(what: "image" | "kernel", name: string, work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      const { code, message } = toBangerError(error);
      if (code !== "cancelled") happenings.add(`${what}.failed`, { id: "", name }, { error: message });
      throw error;
    }
  };
  const refuseUsed = async (
    kind: "image" | "kernel",
    id: string,
    name: string,
    { signal }: CallContext<unknown>,
  ) => {
    // Of a VM that is on its way out nothing is used in a moment.
    await vms.leaving.gone(signal);
    const users = vms.list().filter((vm) => vm[kind].id === id);
    if (users.length === 0) return;
    throw new BangerError(
      "precondition",
      `${kind} ${name} is used by ${users.map((vm) => vm.name).join(", ")}`,
      {
        hint: `remove what uses it first: banger vm delete ${users.map((vm) => vm.name).join(" ")}`,
      },
    );
  };
  const pull: Handlers["image.pull"] = async (params, ctx) => {
    const { ref, name, sizeBytes, kernel, insecureHttp, recordedAs } = params;
    if (!(await images.isOffered(ref, ctx))) {
      const request = { ref, name, sizeBytes, kernel, recordedAs, insecureHttp: insecureHttp ?? false };
      return imageInfo(await images.imports.byName(request, ctx));
    }
    if (name !== undefined || sizeBytes !== undefined || kernel !== undefined) {
      throw ofCatalog(ref, "which says its name, size and kernel");
    }
    await parts.boot.renew(ref, ctx);
    await images.removeReplaced(new Set(vms.list().map((vm) => vm.image.id)));
    return images.image(ref);
  };
  return {
    "image.list": ({ available }, ctx) => images.listImages(available ? ctx : undefined),
    "image.show": async ({ ref }) => {
      const image = await images.image(ref);
      const own = (await parts.templates.list()).filter(({ record }) => record.image === image.id);
      const sizeBytes = own.reduce((sum, template) => sum + template.sizeBytes, 0);
      return { ...image, templates: { count: own.length, sizeBytes } };
    },
    "image.pull": (params, ctx) => orTell("image", params.recordedAs ?? params.ref, () => pull(params, ctx)),
    "image.name": async ({ ref, name }, ctx) => {
      if (await images.isOffered(ref, ctx)) throw ofCatalog(ref, "and used as it is");
      return { name: await images.imports.nameOf({ ref, name }) };
    },
    "image.register": async ({ name, rootfs, kernelRef, kernel }, ctx) => {
      if (kernel !== undefined && kernelRef !== undefined) {
        throw new BangerError("bad_request", "a kernel of the store and one of your own were given", {
          hint: "give one of --kernel-ref and --kernel",
        });
      }
      return imageInfo(await images.own.register({ name, rootfs, kernelRef, kernel }, ctx));
    },
    "image.promote": async ({ ref }, ctx) => {
      const image = await images.own.promote(ref, ctx);
      await images.removeReplaced(new Set(vms.list().map((vm) => vm.image.id)));
      return imageInfo(image);
    },
    "image.save": ({ vm: ref, name, provisioned }, ctx) =>
      vms.withDisks(vms.find(ref).id, async (vm, { root, work }) => {
        const what: Pick<Saving, "origin" | "work"> =
          provisioned === true
            ? { origin: { kind: "provisioned" }, work: undefined }
            : { origin: { kind: "saved", vm: vm.name }, work };
        return imageInfo(await images.own.save({ name, imageId: vm.image.id, root, ...what }, ctx));
      }),
    "image.prune_cache": ({ dryRun }) => images.pruneCache(!dryRun),
    "image.delete": async ({ ref }, ctx) => {
      const image = await images.removable(ref);
      await refuseUsed("image", image.id, image.name, ctx);
      await images.deleteImage(image.id);
      for (const { key, record } of await parts.templates.list())
        if (record.image === image.id) await parts.templates.drop(key);
      return {};
    },
    "kernel.list": ({ available }, ctx) => images.listKernels(available ? ctx : undefined),
    "kernel.show": ({ ref }) => images.kernel(ref),
    "kernel.pull": async ({ ref, force }, ctx) => {
      await orTell("kernel", ref, () => images.pullKernel(ref, force, ctx));
      return images.kernel(ref);
    },
    "kernel.import": async ({ name, from, force }, ctx) => {
      await images.importKernel(name, from, force, ctx);
      return images.kernel(name);
    },
    "kernel.remove": async ({ ref }, ctx) => {
      const kernel = await images.kernel(ref);
      await refuseUsed("kernel", kernel.id, kernel.name, ctx);
      await images.removeKernel(kernel.id);
      return {};
    },
  };
}

function ofCatalog(ref: string, so: string): BangerError {
  return new BangerError("bad_request", `${ref} is an image of a catalog, ${so}`, {
    hint: `for a container image of that name: banger image pull docker.io/library/${ref}`,
  });
}
