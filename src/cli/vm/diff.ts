/** banger vm diff */
import { defineCommand } from "../command.ts";
import { oneVm, text, toggle } from "../flags.ts";
import { guestOutput } from "../guest/output.ts";
import { followWork } from "../workspace/follow.ts";
import { placeOf } from "../workspace/place.ts";
import { diffScript, statScript } from "../workspace/scripts.ts";
import { mostPatchBytes, showPatch } from "../workspace/show-patch.ts";

export const command = defineCommand({
  summary: "show what has changed in a VM's workspace since it was copied",
  details:
    "Commits made in the guest and what is not committed there, as one patch that git apply takes; files that git ignores there are left out. Nothing in the guest changes. What was uncommitted here when it was copied is no change.",
  interrupted: "nothing has changed",
  examples: [
    { command: "vm diff calm-otter", note: "as a patch" },
    { command: "vm diff calm-otter --stat", note: "the commits, and how much in which files" },
    { command: "vm diff calm-otter > work.patch", note: "to keep it; git apply work.patch" },
  ],
  args: { vm: oneVm() },
  flags: {
    stat: toggle("only the commits, and how much has changed in which files"),
    guestPath: text("DIR", "another directory in the guest than the workspace"),
  },
  run: async ({ vm: ref, stat, guestPath: named }, ctx) => {
    const client = await ctx.client();
    const { vm, guestPath, workspace } = await placeOf(client, ref, named, ctx.signal);
    const script = stat ? statScript : diffScript;
    const args = [guestPath, workspace?.head ?? ""];
    const following = followWork(ctx, { shown: ctx.tty.stdout });
    const request = { ref: vm.id, script, args, maxBytes: mostPatchBytes };
    try {
      await guestOutput(client, request, ctx.signal, (output) =>
        showPatch(ctx, following.counted(output), { forPeople: stat }),
      );
    } finally {
      following.end();
    }
    return undefined;
  },
});
