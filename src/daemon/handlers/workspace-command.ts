/** What commands in a VM begin with because of its workspace: the repository's environment, and the tools that it names. */
import type { Workspace } from "../../base/base.ts";

/**
 * `mise env` and not `mise exec`: the program is then started by the shell, so that what cannot be found is 127 as everywhere,
 * and a mise that cannot read its files says so and is in nobody's way. Offline, because a command must not wait for a download
 * that nobody asked for: installing is the bootstrap's.
 */
const throughMise =
  'if command -v mise >/dev/null && tools=$(MISE_OFFLINE=1 mise env -s bash); then eval "$tools"; fi; exec "$@"';

interface Command {
  argv: readonly string[];
  env: Record<string, string>;
}

/**
 * The command as it is run. `cwd` is where: tools are those of a directory, and outside of the workspace there are none.
 * mise reads files that it was told to trust, and this is its VM.
 */
export function inWorkspace(
  command: Command,
  workspace: Workspace | null,
  { cwd, tools }: { cwd: string | undefined; tools: boolean },
): Command {
  if (workspace === null) return command;
  const env = { ...workspace.env, ...command.env };
  if (workspace.tools !== true) return { ...command, env };
  const trusting = { MISE_TRUSTED_CONFIG_PATHS: workspace.guestPath, ...env };
  const inside = `${cwd ?? workspace.guestPath}/`.startsWith(`${workspace.guestPath}/`);
  if (!tools || !inside) return { ...command, env: trusting };
  return { argv: ["/bin/sh", "-c", throughMise, "sh", ...command.argv], env: trusting };
}
