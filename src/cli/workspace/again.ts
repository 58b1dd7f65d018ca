/** A workspace that was copied before: whether it is still what the host has, and how it becomes that. */
import { BangerError } from "../../base/base.ts";
import type { Context, Daemon } from "../context.ts";
import { escapeLine } from "../output/escape.ts";

/** Copies the repository again, the way it was copied last, if anything of it has changed here. */
export async function prepareAgain(ctx: Context, client: Daemon, ref: string): Promise<void> {
  const [vm, { prepareWorkspace }, { noWorkspace }] = await Promise.all([
    client.call("vm.show", { ref }, { signal: ctx.signal }),
    import("./prepare.ts"),
    import("./place.ts"),
  ]);
  const { workspace } = vm;
  if (workspace === null) throw noWorkspace(vm);
  const { guestPath, hostPath, head, untracked = false, include = [], included } = workspace;
  const source = await ctx.openWorkspace(hostPath, {
    ...{ guestPath, includeUntracked: untracked, include, branch: undefined, from: undefined },
    ...{ project: true, bootstrap: true, pinned: workspace.tools ? "install" : undefined },
  });
  try {
    const params = { ref: vm.id, force: false, head, included, onlyIfNew: true };
    await prepareWorkspace(ctx, client, params, source);
  } catch (error) {
    if (!(error instanceof BangerError) || error.code !== "precondition") throw error;
    const { code, message, details } = error;
    throw new BangerError(code, message, {
      hint: `bring them here with: banger vm pull ${vm.name}; or give them up: banger vm workspace prepare ${vm.name} --force`,
      details,
      cause: error,
    });
  } finally {
    source.close();
  }
}

/** Says so when the host's repository is at another commit than the copy was made from. Reads two small files. */
export async function warnWhenMoved(ctx: Context, client: Daemon, ref: string): Promise<void> {
  // A VM that cannot be shown: the command itself says why.
  const vm = await client.call("vm.show", { ref }, { signal: ctx.signal }).catch(() => undefined);
  const workspace = vm?.workspace;
  if (vm === undefined || workspace == null || workspace.head === "") return;
  const { headCommit } = await import("../../repo/repo.ts");
  const head = headCommit(workspace.hostPath);
  if (head === undefined || head === workspace.head) return;
  const here = `${escapeLine(workspace.hostPath)} is at ${head.slice(0, 12)}`;
  const there = `${vm.name} has ${escapeLine(workspace.head.slice(0, 12))}`;
  ctx.err(`${ctx.style.bold("warning:")} ${here}, ${there}; to copy it again first: --auto-prepare`);
}
