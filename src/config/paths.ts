/** Where banger keeps things: in user mode the XDG base directories, in system mode the places of a service. */
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { BangerError } from "../base/base.ts";

export interface Paths {
  /** Of whom the daemon works for. */
  home: string;
  /** config.toml. */
  config: string;
  state: string;
  /** What to do when the state's disk is too small, for hints. */
  largerState: string;
  cache: string;
  /** Sockets and locks; gone after a reboot. */
  runtime: string;
  socket: string;
  /** In the state directory: what two daemons must never share. */
  lock: string;
  daemonLog: string;
  /** What a daemon that could not start had to say. */
  startError: string;
}

/** Throws bad_config for HOME and XDG variables that are no absolute paths: a daemon has another directory than who calls it. */
export function userPaths(env: Readonly<Record<string, string | undefined>>): Paths {
  const home = env.HOME || homedir();
  if (!isAbsolute(home)) {
    throw new BangerError("bad_config", `HOME=${JSON.stringify(home)} is not an absolute path`, {
      hint: "set HOME to your home directory",
    });
  }
  const base = (name: string, fallback: string): string => {
    const value = env[name];
    if (value === undefined || value === "") return join(fallback, "banger");
    if (!isAbsolute(value)) {
      throw new BangerError("bad_config", `${name}=${JSON.stringify(value)} is not an absolute path`, {
        hint: `unset ${name}, or give it an absolute path`,
      });
    }
    return join(value, "banger");
  };
  const state = base("XDG_STATE_HOME", join(home, ".local", "state"));
  const uid = process.getuid?.() ?? 0;
  // Without a runtime directory from the session: one in /tmp, whose ownership is checked before it is used.
  const runtime = env.XDG_RUNTIME_DIR ? base("XDG_RUNTIME_DIR", "") : `/tmp/banger-runtime-${uid}`;
  return {
    home,
    config: join(base("XDG_CONFIG_HOME", join(home, ".config")), "config.toml"),
    state,
    largerState: "set XDG_STATE_HOME to a directory on a larger disk",
    cache: base("XDG_CACHE_HOME", join(home, ".cache")),
    runtime,
    socket: join(runtime, "bangerd.sock"),
    lock: join(state, "bangerd.lock"),
    daemonLog: join(state, "bangerd.log"),
    startError: join(runtime, "bangerd.error"),
  };
}

/** What `banger system install` writes, and what says that there is a system daemon. */
export const installFile = "/etc/banger/install.toml";
/** What root runs and trusts; an administrator's, never the owner's. */
export const systemConfigFile = "/etc/banger/config.toml";
/** Where `sudo banger firecracker install` puts Firecracker and its jailer: root's, because root runs them. */
export const systemFirecracker = "/usr/local/lib/banger/firecracker";
/** What the services run, by a link. */
export const systemProgram = "/usr/local/bin/banger";
export const helperSocket = "/run/banger-root/bangerd-root.sock";
/** systemd's, which starts a build for each connection. */
export const builderSocket = "/run/bangerd-build.sock";

/** The paths of `bangerd --system`; `home` is the owner's. */
export function systemPaths(home: string): Paths {
  const state = "/var/lib/banger";
  const runtime = "/run/banger";
  return {
    home,
    config: join(home, ".config", "banger", "config.toml"),
    state,
    largerState: `mount a larger disk at ${state}`,
    cache: "/var/cache/banger",
    runtime,
    socket: join(runtime, "bangerd.sock"),
    lock: join(state, "bangerd.lock"),
    daemonLog: join(state, "bangerd.log"),
    startError: join(runtime, "bangerd.error"),
  };
}
