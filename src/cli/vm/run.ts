/** banger vm run */
import { BangerError, GuestExit } from "../../base/base.ts";
import { defineCommand, Quiet } from "../command.ts";
import type { Context } from "../context.ts";
import { guestUser, isGiven, specFlags, text, toggle, whatToCopy } from "../flags.ts";
import { checkCommandLine } from "../guest/command-line.ts";
import { manyForwards } from "../guest/forward-spec.ts";
import { statusOf } from "../interrupts.ts";
import { matching, optional } from "../option.ts";
import { type RunPlan, runVm } from "../run/run-vm.ts";
import type { WorkspaceSource } from "../run/workspace.ts";
import type { SpecInput } from "./spec.ts";

/** What means nothing without a repository: the flag, as it is written, of each that was given. */
const workspaceOnly = {
  branch: "--branch",
  from: "--from",
  includeUntracked: "--include-untracked",
  include: "--include",
  dryRun: "--dry-run",
} as const;

export const command = defineCommand({
  summary: "make a VM, put a repository in it, and run a command or a shell",
  details:
    "With a path, the git-tracked files of its repository go to /root/repo as they are in the working tree, with a usable .git. With a command its exit status is banger's; without one a shell opens, and how that ends is nobody's status. The VM stays afterwards, unless --rm is given. What the repository's banger.toml asks for (image, size, commands: docs/project-file.md) counts where no flag says otherwise; without one, what its devcontainer.json has of that. Where it has files of mise, its tools are installed for a shell, in the background.",
  examples: [
    { command: "vm run ./repo -- make test", note: "run a command on a repository" },
    { command: "vm run --rm ./repo -- sh -c 'make && make check'", note: "and leave no VM behind" },
    { command: "vm run ./repo", note: "a shell in the repository" },
    { command: "vm run -d ./repo", note: "only make it ready, and print its name" },
    { command: "vm run --rm -- cat /etc/os-release", note: "a command without a repository" },
    { command: "vm run -p 8080 ./repo -- make serve", note: "its port 8080 on localhost:8080" },
    { command: "vm run ./repo --dry-run", note: "only list what would be copied" },
  ],
  args: {
    path: optional(
      { description: "a directory inside a git repository", completes: "directory" },
      matching(/./s, "is empty"),
    ),
  },
  flags: {
    ...specFlags,
    rm: toggle("delete the VM afterwards, whatever the command's status"),
    branch: text("NAME", "make this branch in the VM's copy and switch to it", "b"),
    from: text("REF", "with --branch: where the branch begins (default: HEAD)"),
    ...whatToCopy,
    publish: manyForwards(
      "let a port of this host lead to one of the VM while the run lasts; repeatable",
      "p",
    ),
    user: guestUser(),
    dryRun: toggle("list what would be copied and do nothing"),
    detach: toggle("no shell: make the VM ready, print its name and leave it running", "d"),
    bootstrap: { kind: "switch", negated: true, description: "leave the repository's tools (mise) alone" },
    project: { kind: "switch", negated: true, description: "do not read banger.toml or devcontainer.json" },
  },
  rest: {
    name: "command",
    description: "command for the guest, with its arguments; its status is banger's",
    required: false,
  },
  run: async (input, ctx) => {
    const { path, rest } = input;
    checkTogether(input);
    checkCommandLine(rest ?? []);
    const { branch, from, includeUntracked, include, bootstrap, project } = input;
    // A command does not wait for tools to be installed.
    const pinned = rest !== undefined ? undefined : input.nat ? ("install" as const) : ("tell" as const);
    const options = { includeUntracked, include, branch, from, bootstrap, project, pinned };
    if (path !== undefined && input.dryRun) {
      await dryRun(await ctx.openWorkspace(path, options), input, ctx);
      return undefined;
    }
    const plan: RunPlan = {
      spec: input,
      workspace: path === undefined ? undefined : () => ctx.openWorkspace(path, options),
      argv: rest,
      user: input.user,
      detach: input.detach,
      remove: input.rm,
      publish: input.publish,
    };
    return finish(await runVm(ctx, plan), plan, ctx);
  },
});

/** What the repository asks for, then what would be copied. Throws as a run would for what it may not have. */
async function dryRun(source: WorkspaceSource, spec: SpecInput, ctx: Context): Promise<void> {
  try {
    if (source.project !== undefined) {
      const { projectLines, withProject } = await import("../run/project-spec.ts");
      withProject(spec, source.project);
      for (const line of projectLines(source.project, spec, source.missing)) ctx.out(line);
    }
    for (const line of source.dryRun()) ctx.out(line);
  } finally {
    source.close();
  }
}

function finish(
  outcome: Awaited<ReturnType<typeof runVm>>,
  plan: RunPlan,
  ctx: Context,
): undefined | GuestExit {
  if ("interrupted" in outcome) throw new Quiet(statusOf(outcome.interrupted));
  const { name, state } = outcome.vm;
  if (plan.detach) ctx.out(name);
  // After a command only for a person: what a program reads from it is the command's.
  if (!plan.remove && (plan.argv === undefined || ctx.tty.stderr)) {
    if (state === "stopped") ctx.note(`VM ${name} is stopped`);
    else ctx.note(`VM ${name} is ${plan.detach ? "" : "still "}running; stop with: banger vm stop ${name}`);
  }
  return plan.argv === undefined ? undefined : new GuestExit(outcome.status);
}

interface Together {
  path: string | undefined;
  branch: string | undefined;
  from: string | undefined;
  includeUntracked: boolean;
  include: readonly string[];
  dryRun: boolean;
  detach: boolean;
  user: string | undefined;
  publish: readonly unknown[];
  rm: boolean;
  rest: string[] | undefined;
}

/** What does not go together, or means nothing by itself. */
function checkTogether(input: Together): void {
  const { path, rest, detach } = input;
  const keys = Object.keys(workspaceOnly) as (keyof typeof workspaceOnly)[];
  const stray = keys.find((key) => isGiven(input[key]));
  if (path === undefined && stray !== undefined) {
    const flag = workspaceOnly[stray];
    throw wrongUse(`${flag} needs a repository`, `give its path: banger vm run ./repo ${flag}`);
  }
  if (input.from !== undefined && input.branch === undefined) {
    throw wrongUse("--from needs --branch", "name the branch that begins there: --branch NAME --from REF");
  }
  if (rest !== undefined && rest[0] === undefined)
    throw wrongUse("no command after --", "leave -- out for a shell");
  if (detach && input.rm)
    throw wrongUse(
      "--detach and --rm contradict each other",
      "a VM that is left running is removed by: banger vm delete NAME",
    );
  if (detach && input.publish.length > 0)
    throw wrongUse(
      "--detach ends before anybody comes to a port",
      "let ports lead to the VM afterwards: banger vm port-forward NAME HOST:GUEST",
    );
  if (detach && input.user !== undefined)
    throw wrongUse(
      "--detach runs nothing that --user could be for",
      "say it afterwards: banger vm exec NAME --user USER -- COMMAND",
    );
  if (detach && rest !== undefined)
    throw wrongUse("--detach runs no command", "run it afterwards: banger vm exec NAME -- COMMAND");
}

function wrongUse(message: string, hint = "see: banger vm run --help"): BangerError {
  return new BangerError("bad_request", message, { hint });
}
