/** Reaching the daemon: the system's where it is this user's, else their own, which is started when none runs. */
import { existsSync, type FSWatcher, readFileSync, realpathSync, rmSync, watch } from "node:fs";
import { join } from "node:path";
import { BangerError, type ErrorCode, errorCodes } from "../base/base.ts";
import { commit, version } from "../base/version.ts";
import { installedPlace } from "../config/installed.ts";
import { type Paths, systemProgram } from "../config/paths.ts";
import { chooseDaemon, type DaemonChoice, systemUnreachable } from "./choose-daemon.ts";
import { type Client, connect } from "./client.ts";

export interface EnsureOptions {
  signal?: AbortSignal | undefined;
  /** Default: this caller's. */
  choice?: DaemonChoice;
  /** Whether systemd runs the system's daemon; for tests. */
  serviceRuns?: () => Promise<boolean>;
}

/** A start is given up after this: recovery after a crash is part of it. In ms. */
const startTimeoutMs = 30_000;
const respawnMs = 1000;
/** A service that runs listens within this, even on an emulated host: a call that comes before that waits. In ms. */
const serviceStartMs = 60_000;
const askServiceMs = 1000;

/** For root the system's daemon is another user's process, who could be anybody by now: what it says is parsed. */
async function dial({ mode, paths }: DaemonChoice): Promise<Client> {
  const table =
    mode === "system" && process.getuid?.() === 0 ? (await import("./contract.ts")).owner : undefined;
  return connect(paths.socket, undefined, table);
}

/** The daemon if it runs; undefined when none does. */
export async function connectIfRunning({ choice }: EnsureOptions = {}): Promise<Client | undefined> {
  const chosen = choice ?? (await chooseDaemon());
  try {
    return await dial(chosen);
  } catch (error) {
    if (error instanceof BangerError && error.code === "unavailable") return undefined;
    throw error;
  }
}

/**
 * The system's daemon, or the user's own: that one is started when none runs, and replaced when it is of another
 * version (VMs keep running).
 */
export async function ensureDaemon(options: EnsureOptions = {}): Promise<Client> {
  const choice = options.choice ?? (await chooseDaemon());
  if (choice.mode === "system") return systemDaemon(choice, options);
  const { paths } = choice;
  const running = await connectIfRunning({ choice });
  if (running !== undefined) {
    const theirs = await running.call("ping", {}).catch(whenLost);
    if (theirs?.state !== undefined) refuseOthers(theirs.state, paths);
    if (theirs?.version === version && theirs.commit === commit) return running;
    if (theirs?.others) throw inUse(theirs, theirs.others);
    if (theirs !== undefined) await running.call("daemon.stop", {}).catch(whenLost);
    await running.closed;
  }
  return startDaemon(paths, options.signal);
}

async function systemDaemon(choice: DaemonChoice, options: EnsureOptions): Promise<Client> {
  const { signal, serviceRuns = systemdRunsIt } = options;
  const { paths } = choice;
  let client: Client;
  try {
    client = await dial(choice).catch(async (error: unknown) => {
      if (!(error instanceof BangerError) || error.code !== "unavailable") throw error;
      if (existsSync(paths.startError)) throw error;
      return (await whileServiceRuns(choice, serviceRuns, signal)) ?? Promise.reject(error);
    });
  } catch (error) {
    if (error instanceof BangerError && error.code === "cancelled") throw error;
    const said = existsSync(paths.startError) ? startError(paths) : undefined;
    throw systemUnreachable(paths.socket, error, said);
  }
  const theirs = await client.call("ping", {}, signal === undefined ? {} : { signal });
  if (theirs.version === version && theirs.commit === commit) return client;
  client.close();
  throw new BangerError(
    "bad_version",
    `the system daemon is another build of banger (${theirs.version}, ${theirs.commit}); this is ${version}, ${commit}`,
    {
      hint:
        installedPlace(process.execPath)?.link === systemProgram
          ? "an update is under way, or was cut off: sudo banger update, or sudo banger system restart"
          : "use the installed one, /usr/local/bin/banger; or install this one: sudo banger system install --owner USER",
    },
  );
}

/** The daemon, as soon as its socket is there; undefined when systemd does not run it, or that takes too long. */
async function whileServiceRuns(
  choice: DaemonChoice,
  serviceRuns: () => Promise<boolean>,
  signal?: AbortSignal,
): Promise<Client | undefined> {
  if (!(await serviceRuns())) return undefined;
  const { paths } = choice;
  const outcome = Promise.withResolvers<Client | undefined>();
  const attempt = () => {
    if (existsSync(paths.socket)) dial(choice).then(outcome.resolve, () => {});
  };
  const onAbort = () => outcome.reject(new BangerError("cancelled", "cancelled"));
  signal?.addEventListener("abort", onAbort, { once: true });
  const late = setTimeout(() => outcome.resolve(undefined), serviceStartMs);
  // Its directory may be made only now, and cannot be watched before.
  const asking = setInterval(async () => {
    attempt();
    if (!(await serviceRuns())) outcome.resolve(undefined);
  }, askServiceMs);
  const watcher = existsSync(paths.runtime) ? watch(paths.runtime, attempt) : undefined;
  attempt();
  try {
    return await outcome.promise;
  } finally {
    watcher?.close();
    clearTimeout(late);
    clearInterval(asking);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** Also when it is about to, after it has ended. */
async function systemdRunsIt(): Promise<boolean> {
  try {
    const asked = Bun.spawn(["systemctl", "is-active", "bangerd.service"], {
      stderr: "ignore",
      stdin: "ignore",
    });
    return ["active", "activating", "reloading"].includes((await new Response(asked.stdout).text()).trim());
  } catch {
    // A host without systemd, with what is left of an installation.
    return false;
  }
}

/** To replace the daemon now would cut off what others wait for: a shell, a build. */
function inUse(theirs: { version: string; commit: string }, others: number): BangerError {
  const commands = others === 1 ? "a command is" : `${others} commands are`;
  return new BangerError(
    "bad_version",
    `${commands} under way with another build of banger (${theirs.version}, ${theirs.commit}); this is ${version}, ${commit}`,
    { hint: "try again when it has ended, or cut it off: banger daemon stop" },
  );
}

/** Of the same user, but with another home: whoever asked it would find other VMs than their own. */
function refuseOthers(vms: string, { state, socket }: Paths): void {
  const own = join(state, "vms");
  if (vms === own || sameDirectory(vms, own)) return;
  throw new BangerError(
    "precondition",
    `the daemon at ${socket} keeps its VMs in ${vms}, and this call is for those in ${own}`,
    {
      hint: "give this one a directory of its own for its socket: XDG_RUNTIME_DIR; or end that daemon: banger daemon stop",
    },
  );
}

function sameDirectory(one: string, other: string): boolean {
  try {
    return realpathSync(one) === realpathSync(other);
  } catch {
    return false;
  }
}

/** A daemon that was ending when we came: the next one will do. */
function whenLost(error: unknown): undefined {
  if (error instanceof BangerError && error.code === "unavailable") return undefined;
  throw error;
}

async function startDaemon(paths: Paths, signal?: AbortSignal): Promise<Client> {
  // Loaded only here: most commands find a daemon that runs.
  const { spawnDaemon } = await import("./spawn-daemon.ts");
  rmSync(paths.startError, { force: true });
  const outcome = Promise.withResolvers<Client>();
  let again: ReturnType<typeof setTimeout> | undefined;
  const attempt = () => {
    if (existsSync(paths.socket)) connect(paths.socket).then(outcome.resolve, () => {});
  };
  const fail = () => {
    if (existsSync(paths.startError)) outcome.reject(startError(paths));
  };
  const spawn = () => {
    const child = spawnDaemon(paths);
    child.once("exit", (status) => {
      if (status !== 0) outcome.reject(startError(paths));
      // 0: another one holds the lock. It is starting, and its socket is what we wait for; or it was just ending.
      else again = setTimeout(spawn, respawnMs);
    });
    child.once("error", (error) =>
      outcome.reject(new BangerError("unavailable", `bangerd could not be started: ${error.message}`)),
    );
  };
  const onAbort = () => outcome.reject(new BangerError("cancelled", "cancelled"));
  signal?.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => {
    outcome.reject(
      new BangerError("timeout", "bangerd did not come up", {
        hint: `see why: banger doctor, or tail ${paths.daemonLog}`,
      }),
    );
  }, startTimeoutMs);
  let watcher: FSWatcher | undefined;
  try {
    // Makes the directory, too.
    spawn();
    watcher = watch(paths.runtime, () => {
      attempt();
      fail();
    });
    attempt();
    return await outcome.promise;
  } finally {
    clearTimeout(again);
    watcher?.close();
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** What the daemon said before it gave up. */
function startError(paths: Paths): BangerError {
  try {
    const { code, message, hint } = JSON.parse(readFileSync(paths.startError, "utf8")) as Record<
      string,
      string | undefined
    >;
    return new BangerError(
      code !== undefined && code in errorCodes ? (code as ErrorCode) : "unavailable",
      message ?? "bangerd failed",
      { hint },
    );
  } catch {
    // It died before it could say anything.
    return new BangerError("unavailable", "bangerd ended before it was ready", {
      hint: `see why: banger doctor, or tail ${paths.daemonLog}`,
    });
  }
}
