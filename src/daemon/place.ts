/** Which of the two daemons this is: the user's own, or the system's. */
import { BangerError } from "../base/base.ts";
import { readInstall } from "../config/install.ts";
import { installFile, type Paths, systemPaths, userPaths } from "../config/paths.ts";

export interface DaemonPlace {
  mode: "user" | "system";
  /** Why: one sentence. */
  reason: string;
  paths: Paths;
}

/** Throws bad_config, see userPaths. */
export function userPlace(): DaemonPlace {
  return {
    mode: "user",
    reason: "no system services are installed for you, so the daemon runs as you, on demand",
    paths: userPaths(process.env),
  };
}

/** Throws precondition where nothing is installed, denied for a user whom it was not installed for. */
export function systemPlace(): DaemonPlace {
  const install = readInstall(installFile);
  if (install === undefined) {
    throw new BangerError("precondition", `there is no ${installFile}`, {
      hint: "install the services: sudo banger system install --owner USER",
    });
  }
  if (process.getuid?.() !== install.uid) {
    throw new BangerError("denied", `the system daemon runs as ${install.owner}, and as nobody else`, {
      hint: "it is a service: sudo banger system restart",
    });
  }
  return {
    mode: "system",
    reason: `the system services are installed for ${install.owner}`,
    paths: systemPaths(install.home),
  };
}
