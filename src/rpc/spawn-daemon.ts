/** Starting bangerd: this very executable under its other name, detached, with a clean environment. */
import type { ChildProcess } from "node:child_process";
import { closeSync, constants, mkdirSync, openSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Paths } from "../config/paths.ts";
import { spawnDetached } from "../sys/sys.ts";
import { privateDirectory } from "./listen.ts";

/**
 * What of the caller's environment means anything to a daemon: with the session's keyrings and the authorities that it
 * trusts, for registries. BUN_OPTIONS and its kind would run code in it.
 */
const passed = new RegExp(
  `^(${[
    "PATH|HOME|USER|LOGNAME|LANG|TMPDIR|XDG_[A-Z_]+|BANGER_[A-Z_]+|[a-z]+_proxy|[A-Z]+_PROXY",
    "DOCKER_CONFIG|DBUS_SESSION_BUS_ADDRESS|DISPLAY|WAYLAND_DISPLAY|GNUPGHOME",
    "SSL_CERT_FILE",
  ].join("|")})$`,
);

export function spawnDaemon(paths: Paths): ChildProcess {
  privateDirectory(paths.runtime);
  mkdirSync(paths.state, { recursive: true, mode: 0o700 });
  const log = openSync(
    paths.daemonLog,
    constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW,
    0o600,
  );
  try {
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => passed.test(name)),
    ) as Record<string, string>;
    const [program, ...args] = daemonCommand();
    return spawnDetached(program, args, { cwd: "/", env, stdout: log, stderr: log });
  } finally {
    closeSync(log);
  }
}

/** Compiled: `bangerd` beside the executable, else its own word for it. From source: bun runs main.ts. */
function daemonCommand(): [string, ...string[]] {
  const compiled = basename(process.execPath) !== "bun" && !basename(process.execPath).startsWith("bun.");
  if (compiled) return [process.execPath, "internal", "daemon"];
  return [process.execPath, join(dirname(import.meta.dir), "main.ts"), "internal", "daemon"];
}
