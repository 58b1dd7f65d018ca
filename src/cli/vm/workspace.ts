/** banger vm workspace */
import { BangerError } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { isGiven, oneVm, text, toggle, whatToCopy } from "../flags.ts";
import { matching, oneOf, optional, required } from "../option.ts";
import { escapeLine } from "../output/escape.ts";
import type { WorkspaceOptions } from "../run/workspace.ts";
import { exportWorkspace } from "../workspace/export.ts";
import { checkGuestPath, noWorkspace } from "../workspace/place.ts";
import { prepareWorkspace } from "../workspace/prepare.ts";

const actions = ["prepare", "export"] as const;

/** What belongs to one action only. */
const flagsOf = {
  prepare: ["branch", "from", "includeUntracked", "include", "dryRun", "force", "path"],
  export: ["output", "baseCommit"],
} as const;

export const command = defineCommand({
  summary: "copy a repository into a VM that runs, or write its changes as a patch",
  details:
    "prepare copies a repository as vm run does, in place of what an earlier copy put there; files that git ignores in the guest stay. It refuses when the guest has commits or changes that are not here, and names them. export writes the guest's working tree as a patch against its HEAD, or another commit, and changes nothing there.",
  interrupted: "a copy that was cut short is gone on with by the same command",
  examples: [
    { command: "vm workspace prepare calm-otter ./repo", note: "copy it to /root/repo" },
    { command: "vm workspace prepare calm-otter", note: "copy the same repository again" },
    { command: "vm workspace prepare calm-otter ./repo --dry-run", note: "only list what would be copied" },
    { command: "vm workspace export calm-otter --output work.patch", note: "what is not committed there" },
  ],
  args: {
    action: required(
      { description: "prepare or export" },
      oneOf(actions, `must be one of ${actions.join(", ")}`),
    ),
    vm: oneVm(),
    path: optional(
      {
        description: "prepare: a directory inside a git repository (default: the one copied last)",
        completes: "directory",
      },
      matching(/./s, "is empty"),
    ),
  },
  flags: {
    guestPath: text("DIR", "directory in the guest (default: the workspace, else /root/repo)"),
    branch: text("NAME", "prepare: make this branch in the VM's copy and switch to it", "b"),
    from: text("REF", "prepare, with --branch: where the branch begins (default: HEAD)"),
    ...whatToCopy,
    dryRun: toggle("prepare: list what would be copied and do nothing"),
    force: toggle("prepare: give up what the guest has and the host has not", "f"),
    output: text("FILE", "export: write to this file (default: standard output)", "o"),
    baseCommit: text("REF", "export: the guest's commit to compare with (default: HEAD)"),
  },
  run: async ({ action, vm, ...input }, ctx) => {
    const foreign = flagsOf[action === "prepare" ? "export" : "prepare"];
    const stray = foreign.find((name) => isGiven(input[name]));
    if (stray !== undefined) {
      const flag =
        stray === "path" ? "a path" : `--${stray.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
      throw wrongUse(`${flag} is not for vm workspace ${action}`);
    }
    if (input.guestPath !== undefined) checkGuestPath(input.guestPath);
    if (action === "export") {
      const { guestPath, output, baseCommit } = input;
      await exportWorkspace(ctx, { ref: vm, guestPath, output, baseCommit });
    } else await prepare(ctx, vm, input);
    return undefined;
  },
});

async function prepare(
  ctx: Context,
  ref: string,
  input: Omit<WorkspaceOptions, "guestPath" | "project" | "bootstrap"> & {
    path: string | undefined;
    guestPath: string | undefined;
    dryRun: boolean;
    force: boolean;
  },
): Promise<void> {
  const { branch, from, includeUntracked, include, dryRun, force } = input;
  if (from !== undefined && branch === undefined)
    throw wrongUse("--from needs --branch", "name the branch that begins there: --branch NAME --from REF");
  const options = { branch, from, includeUntracked, include, project: true, bootstrap: true };
  if (dryRun && input.path !== undefined) return showOnly(ctx, input.path, options);
  const client = await ctx.client();
  const vm = await client.call("vm.show", { ref }, { signal: ctx.signal });
  const path = input.path ?? vm.workspace?.hostPath;
  if (path === undefined) throw noWorkspace(vm);
  if (dryRun) return showOnly(ctx, path, options);
  const guestPath = input.guestPath ?? vm.workspace?.guestPath ?? "/root/repo";
  const pinned = vm.workspace?.tools ? ("install" as const) : undefined;
  const source = await ctx.openWorkspace(path, { ...options, guestPath, pinned });
  try {
    const head = vm.workspace?.guestPath === guestPath ? vm.workspace.head : "";
    await prepareWorkspace(
      ctx,
      client,
      { ref: vm.id, force, head, included: undefined, onlyIfNew: false },
      source,
    );
    ctx.err(`${vm.name}: ${escapeLine(guestPath)} is now what ${escapeLine(source.workspace.hostPath)} is`);
  } finally {
    source.close();
  }
}

async function showOnly(ctx: Context, path: string, options: WorkspaceOptions): Promise<void> {
  const source = await ctx.openWorkspace(path, options);
  for (const line of source.dryRun()) ctx.out(line);
  source.close();
}

function wrongUse(message: string, hint = "see: banger vm workspace --help"): BangerError {
  return new BangerError("bad_request", message, { hint });
}
