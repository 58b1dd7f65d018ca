/** banger vm run */
import { BangerError, GuestExit } from "../../base/base.ts";
import { defineCommand, Quiet } from "../command.ts";
import type { Context } from "../context.ts";
import { isGiven, specFlags, text, toggle, whatToCopy } from "../flags.ts";
import { checkCommandLine } from "../guest/command-line.ts";
import { statusOf } from "../interrupts.ts";
import { matching, optional } from "../option.ts";
import { type RunPlan, runVm } from "../run/run-vm.ts";

const workspaceOnly = ["branch", "from", "includeUntracked", "include", "dryRun"] as const;

export const command = defineCommand({
  summary: "make a VM, put a repository in it, and run a command or a shell",
  details:
    "With a path, the git-tracked files of its repository go to /root/repo as they are in the working tree, with a usable .git. With a command its exit status is banger's; without one a shell opens, and how that ends is nobody's status. The VM stays afterwards, unless --rm is given.",
  examples: [
    { command: "vm run ./repo -- make test", note: "run a command on a repository" },
    { command: "vm run --rm ./repo -- sh -c 'make && make check'", note: "and leave no VM behind" },
    { command: "vm run ./repo", note: "a shell in the repository" },
    { command: "vm run --rm -- cat /etc/os-release", note: "a command without a repository" },
    { command: "vm run ./repo --dry-run", note: "only list what would be copied" },
  ],
  args: {
    path: optional({ description: "a directory inside a git repository" }, matching(/./s, "is empty")),
  },
  flags: {
    ...specFlags,
    rm: toggle("delete the VM afterwards, whatever the command's status"),
    branch: text("NAME", "make this branch in the VM's copy and switch to it", "b"),
    from: text("REF", "with --branch: where the branch begins (default: HEAD)"),
    ...whatToCopy,
    dryRun: toggle("list what would be copied and do nothing"),
  },
  rest: {
    name: "command",
    description: "command for the guest, with its arguments; its status is banger's",
    required: false,
  },
  run: async (input, ctx) => {
    const { path, rest } = input;
    const stray = workspaceOnly.find((flag) => isGiven(input[flag]));
    if (path === undefined && stray !== undefined) {
      const flag = `--${stray.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      throw wrongUse(`${flag} needs a repository`, `give its path: banger vm run ./repo ${flag}`);
    }
    if (input.from !== undefined && input.branch === undefined) {
      throw wrongUse("--from needs --branch", "name the branch that begins there: --branch NAME --from REF");
    }
    if (rest !== undefined && rest[0] === undefined)
      throw wrongUse("no command after --", "leave -- out for a shell");
    checkCommandLine(rest ?? []);
    const { branch, from, includeUntracked, include } = input;
    const options = { includeUntracked, include, branch, from };
    if (path !== undefined && input.dryRun) {
      const source = await ctx.openWorkspace(path, options);
      for (const line of source.dryRun()) ctx.out(line);
      source.close();
      return undefined;
    }
    const plan: RunPlan = {
      spec: input,
      workspace: path === undefined ? undefined : () => ctx.openWorkspace(path, options),
      argv: rest,
      remove: input.rm,
    };
    return finish(await runVm(ctx, plan), plan, ctx);
  },
});

function finish(
  outcome: Awaited<ReturnType<typeof runVm>>,
  plan: RunPlan,
  ctx: Context,
): undefined | GuestExit {
  if ("interrupted" in outcome) throw new Quiet(statusOf(outcome.interrupted));
  const { name, state } = outcome.vm;
  // After a command only for a person: what a program reads from it is the command's.
  if (!plan.remove && (plan.argv === undefined || ctx.tty.stderr)) {
    if (state === "stopped") ctx.err(`VM ${name} is stopped`);
    else ctx.err(`VM ${name} is still running; stop with: banger vm stop ${name}`);
  }
  return plan.argv === undefined ? undefined : new GuestExit(outcome.status);
}

function wrongUse(message: string, hint = "see: banger vm run --help"): BangerError {
  return new BangerError("bad_request", message, { hint });
}
