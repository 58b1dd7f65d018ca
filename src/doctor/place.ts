/** Which banger is examined: the user's own, or the system's; never throws, because what is wrong is what is asked for. */
import { userInfo } from "node:os";
import { type BangerError, toBangerError } from "../base/base.ts";
import { type Install, readInstall } from "../config/config.ts";
import { installFile, type Paths, userPaths } from "../config/paths.ts";
import { chooseDaemon } from "../rpc/choose-daemon.ts";

export interface Place {
  mode: "user" | "system";
  /** Why: one sentence. */
  reason: string;
  paths: Paths;
  /** Of the system services; undefined in user mode. */
  install: Install | undefined;
  uid: number;
  user: string;
  env: Readonly<Record<string, string | undefined>>;
  /** Why it cannot be said which banger this user has: then what is examined is the user's own. */
  problem: BangerError | undefined;
}

export async function thisPlace(env: Place["env"]): Promise<Place> {
  const uid = process.getuid?.() ?? 0;
  const common = { uid, user: nameOf(uid), env };
  try {
    const { mode, reason, paths } = await chooseDaemon({ uid, env, installFile });
    const install = mode === "system" ? readInstall(installFile) : undefined;
    return { ...common, mode, reason, paths, install, problem: undefined };
  } catch (error) {
    const absolute = Object.entries(env).filter(
      ([name, value]) => !name.startsWith("XDG_") || value?.startsWith("/"),
    );
    const home = !env.HOME || env.HOME.startsWith("/") ? env.HOME : "/";
    const paths = userPaths({ ...Object.fromEntries(absolute), HOME: home });
    const reason = "the daemon that is yours cannot be told";
    return { ...common, mode: "user", reason, paths, install: undefined, problem: toBangerError(error) };
  }
}

function nameOf(uid: number): string {
  try {
    return userInfo().username;
  } catch {
    // A user without an entry in the host's user database, as in containers.
    return String(uid);
  }
}
