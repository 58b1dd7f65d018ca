/** banger vm exec */
import { BangerError, GuestExit } from "../../base/base.ts";
import { defineCommand, Quiet } from "../command.ts";
import { guestUser, oneVm, text, toggle } from "../flags.ts";
import { checkCommandLine } from "../guest/command-line.ts";
import { execInGuest } from "../guest/exec.ts";
import { statusOf } from "../interrupts.ts";
import { prepareAgain, warnWhenMoved } from "../workspace/again.ts";

export const command = defineCommand({
  summary: "run a command in a running VM",
  details:
    "The command runs in the VM's workspace, as root; in a VM without one where a container image says, as the user that it says, else in /root as root. It runs not through a shell, and with the tools that the repository names to mise, if it does. On a terminal it gets a terminal; otherwise its three streams stay separate. Its exit status is banger's. With --auto-prepare the repository is copied again first, as vm workspace prepare does, unless nothing has changed here.",
  examples: [
    { command: "vm exec calm-otter -- make test", note: "in the workspace" },
    { command: "vm exec calm-otter --auto-prepare -- make test", note: "with what is here now" },
    { command: "vm exec calm-otter --guest-path /etc -- ls -l", note: "in another directory" },
    { command: "vm exec calm-otter -- sh -c 'ps | wc -l'", note: "through a shell" },
  ],
  args: { vm: oneVm() },
  flags: {
    guestPath: text(
      "DIR",
      "directory in the guest to run in (default: the workspace, else as the image says, or /root)",
      "w",
    ),
    user: guestUser(),
    autoPrepare: toggle("first copy the repository again, if it has changed"),
  },
  rest: { name: "command", description: "the command and its arguments", required: true },
  run: async ({ vm, guestPath, user, autoPrepare, rest = [] }, ctx) => {
    checkCommandLine(rest);
    if (guestPath !== undefined && !guestPath.startsWith("/")) {
      throw new BangerError("bad_request", `--guest-path ${JSON.stringify(guestPath)}: must begin with /`);
    }
    const client = await ctx.client();
    if (autoPrepare) await prepareAgain(ctx, client, vm);
    // Beside the command, which does not wait for it.
    const warned = autoPrepare || guestPath !== undefined ? undefined : warnWhenMoved(ctx, client, vm);
    const outcome = await execInGuest(ctx, client, { ref: vm, argv: rest, cwd: guestPath, user });
    await warned;
    if ("interrupted" in outcome) throw new Quiet(statusOf(outcome.interrupted));
    return new GuestExit(outcome.status);
  },
});
