/** banger vm pull */
import { defineCommand } from "../command.ts";
import { oneVm, text, toggle } from "../flags.ts";
import { matching, optional } from "../option.ts";
import { pullWork } from "../workspace/pull.ts";

export const command = defineCommand({
  summary: "bring a VM's commits and changes back into the repository on this machine",
  details:
    "Commits of the guest's HEAD come as they are, with author and message, and what is not committed there as one more, as the branch banger/VM; nothing of it is checked out or run. With --apply the changes go into the working tree instead, merged with what has changed here; where that would overwrite an edit that is in no commit, nothing is done.",
  interrupted: "the same command begins again; no edit of yours is lost",
  examples: [
    { command: "vm pull calm-otter", note: "as the branch banger/calm-otter" },
    { command: "vm pull calm-otter --apply", note: "into the working tree, uncommitted" },
    { command: "vm pull calm-otter ./repo --branch wip", note: "elsewhere, under another name" },
  ],
  args: {
    vm: oneVm(),
    path: optional(
      { description: "a directory inside the repository (default: the one that was copied)" },
      matching(/./s, "is empty"),
    ),
  },
  flags: {
    branch: text("NAME", "the branch to set (default: banger/VM)", "b"),
    apply: toggle("change the working tree, and no branch"),
    force: toggle("set the branch even if that takes commits off it", "f"),
    guestPath: text("DIR", "another directory in the guest than the workspace"),
  },
  run: async ({ vm, ...request }, ctx) => {
    await pullWork(ctx, { ref: vm, ...request });
    return undefined;
  },
});
