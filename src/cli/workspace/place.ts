/** Which directory of which VM a command on workspaces is about. */
import { BangerError } from "../../base/base.ts";
import type { Vm, Workspace } from "../../rpc/contract.ts";
import type { Daemon } from "../context.ts";
import { escapeLine } from "../output/escape.ts";

export interface Place {
  vm: Vm;
  guestPath: string;
  /** What was copied there last; undefined for a directory that banger does not know. */
  workspace: Workspace | undefined;
}

/** Throws precondition for a VM without a workspace, when no directory is named either. */
export async function placeOf(
  client: Daemon,
  ref: string,
  guestPath: string | undefined,
  signal: AbortSignal,
): Promise<Place> {
  const vm = await client.call("vm.show", { ref }, { signal });
  const { workspace } = vm;
  if (guestPath !== undefined) {
    checkGuestPath(guestPath);
    const known = workspace !== null && workspace.guestPath === guestPath;
    return { vm, guestPath, workspace: known ? workspace : undefined };
  }
  if (workspace === null) throw noWorkspace(vm);
  return { vm, guestPath: workspace.guestPath, workspace };
}

export function noWorkspace(vm: Vm): BangerError {
  return new BangerError("precondition", `VM ${vm.name} has no workspace`, {
    hint: `copy a repository into it: banger vm workspace prepare ${vm.name} PATH`,
  });
}

/** As the contract takes it, and no other way to say the same. */
export function checkGuestPath(path: string): void {
  const shown = `--guest-path ${JSON.stringify(escapeLine(path))}`;
  if (!path.startsWith("/")) throw new BangerError("bad_request", `${shown}: must begin with /`);
  if (path.length > 4096 || /[\u0000-\u001f]/.test(path) || /\/(?:\.{0,2})(?:\/|$)/.test(path))
    throw new BangerError("bad_request", `${shown}: must be a plain path below /, without . and ..`);
}
