/** Which daemon is this user's: the system's, when it was installed for them; else one of their own. */
import { BangerError, toBangerError } from "../base/base.ts";
import { installFile, type Paths, systemPaths, userPaths } from "../config/paths.ts";

export interface DaemonChoice {
  mode: "user" | "system";
  /** Why: one sentence. */
  reason: string;
  paths: Paths;
}

/** What the choice is made by. */
export interface Caller {
  uid: number;
  env: Readonly<Record<string, string | undefined>>;
  installFile: string;
}

export function thisCaller(): Caller {
  return { uid: process.getuid?.() ?? 0, env: process.env, installFile };
}

/** Throws bad_config when install.toml cannot be understood: to guess would be to split the VMs between two daemons. */
export async function chooseDaemon(caller: Caller = thisCaller()): Promise<DaemonChoice> {
  const install = await readIfThere(caller.installFile);
  if (install === undefined) {
    const reason = "no system services are installed, so the daemon runs as you, on demand";
    return { mode: "user", reason, paths: userPaths(caller.env) };
  }
  if (caller.uid !== install.uid && caller.uid !== 0) {
    const reason = `the system services are ${install.owner}'s, so you have a daemon of your own, on demand`;
    return { mode: "user", reason, paths: userPaths(caller.env) };
  }
  const whose = caller.uid === install.uid ? "you" : install.owner;
  const reason = `the system services are installed for ${whose} (${caller.installFile})`;
  return { mode: "system", reason, paths: systemPaths(install.home) };
}

async function readIfThere(path: string) {
  // Loaded only where there is something to read: TOML and schemas would cost every command of user mode its start.
  if (!(await Bun.file(path).exists())) return undefined;
  const { readInstall } = await import("../config/install.ts");
  return readInstall(path);
}

/** What to say when the system's daemon cannot be reached: nothing is started, because that is root's to do. */
export function systemUnreachable(socket: string, error: unknown, said?: BangerError): BangerError {
  const { code, message } = said ?? toBangerError(error);
  const why = said === undefined ? `it does not listen on ${socket}` : message;
  return new BangerError(
    code === "bad_config" ? code : "unavailable",
    `the system daemon does not answer: ${why}`,
    {
      hint: "sudo banger system restart; if that is no help: banger doctor",
      cause: error,
    },
  );
}
