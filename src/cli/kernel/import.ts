/** banger kernel import */
import { resolve } from "node:path";
import { defineCommand } from "../command.ts";
import { json, readArtifactName, toggle } from "../flags.ts";
import { matching, required } from "../option.ts";
import { startProgress } from "../output/progress.ts";
import { printResult } from "../output/table.ts";

export const command = defineCommand({
  summary: "take a kernel of your own into the store",
  details:
    "FROM is a vmlinux or a bzImage (vmlinuz), or a directory that has one, in itself or in boot; modules are taken from lib/modules/RELEASE, usr/lib/modules/RELEASE or modules/RELEASE in it. ext4 must be built in; for a kernel without modules virtio (blk, net, console, vsock, rng), too. Images that are to boot it name it: banger image pull REF --kernel-ref NAME.",
  examples: [
    { command: "kernel import mine --from ./linux/vmlinux", note: "one that has everything built in" },
    { command: "kernel import lab --from /srv/kernels/6.12", note: "with its modules" },
  ],
  args: {
    name: required({ value: "name", description: "its name in the store" }, readArtifactName),
  },
  flags: {
    from: required(
      { value: "PATH", description: "the file or directory", completes: "file" },
      matching(/^.{1,4096}$/s, "is empty, or too long for a path"),
    ),
    force: toggle("take the place of the kernel that has the name", "f"),
    json: json(),
  },
  interrupted: "nothing half-made is left",
  run: async ({ name, from, force, json: asJson }, ctx) => {
    const client = await ctx.client();
    const progress = startProgress(ctx);
    try {
      const kernel = await client.call(
        "kernel.import",
        { name, from: resolve(ctx.cwd, from), force },
        { signal: ctx.signal, onEvent: (event) => progress.event(event) },
      );
      progress.end(`${kernel.name} ${kernel.version} ready`);
      printResult(ctx, asJson, kernel, kernel.name);
    } finally {
      progress.end();
    }
    return undefined;
  },
});
