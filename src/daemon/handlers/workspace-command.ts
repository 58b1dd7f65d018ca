/** What commands in a VM begin with because of its workspace: the repository's environment, and the tools that it names. */
import type { VmId, Workspace } from "../../base/base.ts";
import type { GuestSession } from "../../guest/guest.ts";

/**
 * `mise env` and not `mise exec`: the program is then started by the shell, so that what cannot be found is 127 as everywhere,
 * and a mise that cannot read its files says so and is in nobody's way. Offline, because a command must not wait for a download
 * that nobody asked for: installing is the bootstrap's.
 */
const throughMise = 'if tools=$(MISE_OFFLINE=1 mise env -s bash); then eval "$tools"; fi; exec "$@"';

interface Command {
  argv: readonly string[];
  env: Record<string, string>;
}

interface Place {
  /** Where it runs: tools are those of a directory, and outside of the workspace there are none. */
  cwd: string | undefined;
  /** Whether it is to have them. */
  tools: boolean;
  /** Whether the guest has a mise, and a shell to ask it: a container's image need have neither. */
  hasMise(env: Record<string, string>): Promise<boolean>;
}

/** The command as it is run. mise reads files that it was told to trust, and this is its VM. */
export async function inWorkspace(
  command: Command,
  workspace: Workspace | null,
  { cwd, tools, hasMise }: Place,
): Promise<Command> {
  if (workspace === null) return command;
  const env = { ...workspace.env, ...command.env };
  if (workspace.tools !== true) return { ...command, env };
  const trusting = { MISE_TRUSTED_CONFIG_PATHS: workspace.guestPath, ...env };
  const inside = `${cwd ?? workspace.guestPath}/`.startsWith(`${workspace.guestPath}/`);
  if (!tools || !inside || !(await hasMise(trusting))) return { ...command, env: trusting };
  return { argv: ["/bin/sh", "-c", throughMise, "sh", ...command.argv], env: trusting };
}

/** Asks a guest, and remembers of each that had one: it may get one later, and seldom loses it. */
export class MiseFinder {
  readonly #found = new Set<VmId>();

  async in(
    id: VmId,
    session: GuestSession,
    env: Record<string, string>,
    signal: AbortSignal,
  ): Promise<boolean> {
    if (this.#found.has(id)) return true;
    const argv = ["/bin/sh", "-c", "command -v mise >/dev/null"];
    const child = await session.exec({ argv, env, cwd: "/" }, signal);
    child.stdin.end();
    child.stdout.resume();
    child.stderr.resume();
    if ((await child.exit) !== 0) return false;
    this.#found.add(id);
    return true;
  }
}
