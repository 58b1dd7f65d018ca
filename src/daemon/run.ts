/** The daemon's life: lock, parts, socket, idling, end. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { type BangerError, toBangerError } from "../base/base.ts";
import { commit, version } from "../base/version.ts";
import { owner, privateDirectory, type Server, serve } from "../rpc/rpc.ts";
import { composeDaemon, type Substitutes } from "./compose.ts";
import { watchIdle } from "./lifecycle/idle.ts";
import { levelFrom, openLog } from "./lifecycle/log.ts";
import type { DaemonPlace } from "./place.ts";
import { takeStateLock } from "./state-lock.ts";

/** Runs until it is told to stop. Another daemon of this user that runs already is no error: this one just ends. */
export async function runDaemon(substitutes: Substitutes, place: DaemonPlace): Promise<void> {
  const { paths } = place;
  privateDirectory(paths.runtime);
  mkdirSync(paths.state, { recursive: true, mode: 0o700 });
  const lock = await takeStateLock(paths).catch((error: unknown) => {
    writeStartError(paths.startError, toBangerError(error));
    process.exit(1);
  });
  if (lock === undefined) return;
  writeFileSync(paths.lock, `${paths.runtime}\n`);
  const asked = levelFrom(process.env.BANGER_LOG_LEVEL);
  const log = openLog(paths.daemonLog, asked ?? "info");
  process.on("uncaughtException", (error) =>
    log.error("uncaught", { error: error.message, stack: error.stack }),
  );
  process.on("unhandledRejection", (error) => log.error("unhandled", { error: String(error) }));
  process.umask(0o077);

  const ended = Promise.withResolvers<void>();
  let server: Server | undefined;
  const stop = () => {
    // From now on nobody finds this daemon; the answer to daemon.stop still leaves.
    server?.close();
    setTimeout(ended.resolve, 20);
  };
  try {
    const parts = await composeDaemon({ place, log, stop }, substitutes);
    log.setLevel(asked ?? parts.config.log_level);
    // A service ends when systemd ends it.
    const idleTimeout = place.mode === "system" ? 0 : parts.config.daemon_idle_timeout;
    const idle = watchIdle(idleTimeout, () => parts.activeVms() === 0, stop);
    parts.onVmsChanged(() => idle.busy(false));
    server = await serve({
      table: owner,
      program: { name: "bangerd", versionHint: "the daemon is of another version: banger daemon stop" },
      socketPath: paths.socket,
      handlers: parts.handlers,
      before: parts.before,
      log,
      onActivity: idle.busy,
    });
    rmSync(paths.startError, { force: true });
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
    writeStartError(paths.startError, { code, message, hint });
    // For the journal; in user mode stderr is the log.
    if (place.mode === "system") process.stderr.write(`${message}\n`);
    process.exit(1);
  }
}

/** For the CLI that started this daemon: why it is not there. */
function writeStartError(
  path: string,
  { code, message, hint }: Pick<BangerError, "code" | "message" | "hint">,
): void {
  // Renamed into place: the CLI is woken by the name, and must find the whole text under it.
  writeFileSync(`${path}.new`, JSON.stringify({ code, message, hint }), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
