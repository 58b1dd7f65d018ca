/** What goes with a VM that nobody has brought home: asked of its guest, as far as that answers soon. */
import { BangerError } from "../../base/base.ts";
import type { Vm } from "../../rpc/contract.ts";
import type { Context, Daemon } from "../context.ts";
import { guestOutput } from "../guest/output.ts";
import { escapeLine } from "../output/escape.ts";
import { stateScript } from "./scripts.ts";

/** Nobody waits longer than this for a guest that is to go anyway. */
const patienceMs = 3_000;
const answer = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) ([0-9a-f]{40,64}) ([0-9a-f]{40,64})\n$/;

/** What would be lost with each of these VMs, a line for each that had a workspace and may have something of its own. */
export async function unpulledWork(ctx: Context, client: Daemon, vms: readonly Vm[]): Promise<string[]> {
  const limit = AbortSignal.any([ctx.signal, AbortSignal.timeout(patienceMs)]);
  const lines = await Promise.all(vms.map((vm) => lossOf(client, vm, limit)));
  if (ctx.signal.aborted) throw new BangerError("cancelled", "cancelled");
  return lines.flatMap((line) => (line === undefined ? [] : [line]));
}

/** What is known of VMs that do not run. */
export function unknownWork({ name, workspace, state }: Vm): string | undefined {
  if (workspace === null) return undefined;
  const what = `it had a copy of ${escapeLine(workspace.hostPath)}, whose changes go with it`;
  return `${name} is ${state} and cannot be asked: ${what}`;
}

async function lossOf(client: Daemon, vm: Vm, limit: AbortSignal): Promise<string | undefined> {
  const { workspace, name } = vm;
  if (workspace === null) return undefined;
  if (vm.state !== "running") return unknownWork(vm);
  const place = `${escapeLine(workspace.hostPath)}`;
  try {
    const has = await whatItHas(client, vm.id, workspace, limit);
    const [commits, changes] = await missing(workspace.hostPath, has, limit);
    const what = [...(commits ? ["commits"] : []), ...(changes ? ["changes"] : [])].join(" and ");
    return what === "" ? undefined : `${name} has ${what} that are on no branch of ${place}`;
  } catch {
    return `${name} did not say whether it has changes that ${place} has not`;
  }
}

interface Has {
  commit: string | undefined;
  tree: string | undefined;
}

/** What is in the guest and was not when it was copied there. */
async function whatItHas(
  client: Daemon,
  ref: string,
  { guestPath, head }: NonNullable<Vm["workspace"]>,
  limit: AbortSignal,
): Promise<Has> {
  const request = { ref, script: stateScript, args: [guestPath, head], maxBytes: 4096 };
  const said = await guestOutput(client, request, limit, async (output) => {
    let text = "";
    for await (const chunk of output) text += Buffer.from(chunk).toString("latin1");
    return text;
  });
  const [, commit, tree, prepared, preparedTree] = answer.exec(said) ?? [];
  if (commit === undefined) throw new BangerError("guest_failed", "the guest did not say what it has");
  return {
    commit: commit === prepared || commit === head ? undefined : commit,
    tree: tree === preparedTree ? undefined : tree,
  };
}

/** Whether the commit, and the tree, are not in the host's repository: what was pulled as a branch is. */
async function missing(path: string, { commit, tree }: Has, limit: AbortSignal): Promise<[boolean, boolean]> {
  if (commit === undefined && tree === undefined) return [false, false];
  const { hasCommit, hasTree, openRepository } = await import("../../repo/repo.ts");
  const repo = await openRepository(path, { signal: limit }).catch(() => undefined);
  if (repo === undefined) return [commit !== undefined, tree !== undefined];
  try {
    return [
      commit !== undefined && !(await hasCommit(repo, commit, limit)),
      tree !== undefined && !(await hasTree(repo, tree, limit)),
    ];
  } finally {
    repo.close();
  }
}
