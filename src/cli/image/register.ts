/** banger image register */
import { resolve } from "node:path";
import { BangerError } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { completing, json, readArtifactName, text } from "../flags.ts";
import { matching, required } from "../option.ts";
import { startProgress } from "../output/progress.ts";
import { printResult } from "../output/table.ts";

export const command = defineCommand({
  summary: "make an image of a root file system that you have made",
  details:
    "ROOTFS is a plain file with an ext4 in it, without a partition table. It stays where it is, and must not be written any more: VMs write to layers over it. banger image promote takes a copy into the store; with the system services that is done at once. Its VMs boot a kernel of the store or a catalog (--kernel-ref), or one of your own (--kernel), which is imported under the image's name.",
  examples: [
    { command: "image register --name mine --rootfs ./rootfs.ext4", note: "with banger's own kernel" },
    {
      command: "image register --name lab --rootfs /srv/lab.ext4 --kernel /srv/lab/boot",
      note: "with a kernel of its own, and its modules",
    },
  ],
  args: {},
  flags: {
    name: required({ value: "NAME", description: "its name in the store", short: "n" }, readArtifactName),
    rootfs: required(
      { value: "ROOTFS", description: "the file", completes: "file" },
      matching(/^.{1,4096}$/s, "is empty, or too long for a path"),
    ),
    kernelRef: completing("kernel", text("KERNEL", "kernel that its VMs boot (default: the catalog's)")),
    kernel: completing(
      "file",
      text("PATH", "a kernel of your own: a vmlinux or bzImage, or a directory with it and its modules"),
    ),
    json: json(),
  },
  interrupted: "no image is made, and nothing half-made is left",
  run: async ({ name, rootfs, kernelRef, kernel, json: asJson }, ctx) => {
    if (kernelRef !== undefined && kernel !== undefined)
      throw new BangerError("bad_request", "give one of --kernel-ref and --kernel");
    const client = await ctx.client();
    const progress = startProgress(ctx);
    try {
      const image = await client.call(
        "image.register",
        {
          ...{ name, rootfs: resolve(ctx.cwd, rootfs) },
          ...(kernelRef === undefined ? {} : { kernelRef }),
          ...(kernel === undefined ? {} : { kernel: resolve(ctx.cwd, kernel) }),
        },
        { signal: ctx.signal, onEvent: (event) => progress.event(event) },
      );
      progress.end();
      if (image.kind === "copied") ctx.note("note: copied into the store, where the system services want it");
      printResult(ctx, asJson, image, image.name);
    } finally {
      progress.end();
    }
    return undefined;
  },
});
