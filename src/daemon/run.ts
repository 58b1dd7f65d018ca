/** The daemon's life: lock, parts, socket, idling, end. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { toBangerError } from "../base/base.ts";
import { commit, version } from "../base/version.ts";
import { userPaths } from "../config/paths.ts";
import { privateDirectory, serve } from "../rpc/rpc.ts";
import { lockFile } from "../sys/sys.ts";
import { composeDaemon, type Substitutes } from "./compose.ts";
import { watchIdle } from "./lifecycle/idle.ts";
import { levelFrom, openLog } from "./lifecycle/log.ts";

/** Runs until it is told to stop. Another daemon of this user that runs already is no error: this one just ends. */
export async function runDaemon(substitutes: Substitutes): Promise<void> {
  const paths = userPaths(process.env);
  privateDirectory(paths.runtime);
  mkdirSync(paths.state, { recursive: true, mode: 0o700 });
  const lock = lockFile(paths.lock);
  if (lock === undefined) return;
  const asked = levelFrom(process.env.BANGER_LOG_LEVEL);
  const log = openLog(paths.daemonLog, asked ?? "info");
  process.on("uncaughtException", (error) =>
    log.error("uncaught", { error: error.message, stack: error.stack }),
  );
  process.on("unhandledRejection", (error) => log.error("unhandled", { error: String(error) }));
  process.umask(0o077);

  const ended = Promise.withResolvers<void>();
  // After the answer to daemon.stop has left.
  const stop = () => void setTimeout(ended.resolve, 20);
  try {
    const parts = await composeDaemon({ paths, log, stop }, substitutes);
    log.setLevel(asked ?? parts.config.log_level);
    const idle = watchIdle(parts.config.daemon_idle_timeout, () => parts.activeVms() === 0, stop);
    parts.onVmsChanged(() => idle.busy(false));
    const server = await serve({
      socketPath: paths.socket,
      handlers: parts.handlers,
      log,
      onActivity: idle.busy,
    });
    log.info("bangerd is ready", { version, commit, pid: process.pid });
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, ended.resolve);
    process.on("SIGHUP", () => {});
    await ended.promise;
    idle.stop();
    server.close();
    await parts.close();
    log.info("bangerd ends", { pid: process.pid });
    process.exit(0);
  } catch (error) {
    const { code, message, hint, stack } = toBangerError(error);
    log.error("bangerd could not start", { code, error: message, stack });
    rmSync(paths.startError, { force: true });
    writeFileSync(paths.startError, JSON.stringify({ code, message, hint }), { mode: 0o600 });
    process.exit(1);
  }
}
