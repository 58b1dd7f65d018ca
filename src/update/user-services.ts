/** The daemon of a user, which the first command starts that needs it. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { chooseDaemon, type DaemonChoice } from "../rpc/choose-daemon.ts";
import type { Client } from "../rpc/client.ts";
import { connectIfRunning } from "../rpc/ensure-daemon.ts";
import { lockFile, run } from "../sys/sys.ts";
import { type Build, lastLine, ownEnvironment } from "./build.ts";
import type { Services } from "./services.ts";
import { within } from "./within.ts";

/** How long a daemon that starts may take: its recovery is part of it. In ms. */
const startMs = 120_000;

export interface UserServicesOptions {
  /** Default: this caller's. */
  choice?: DaemonChoice;
  /** How long a daemon may take that is asked, or told to end. In ms. */
  answerMs?: number;
  endMs?: number;
}

/** `updates` has the lock. Throws timeout for a daemon that is there, and does nothing. */
export async function userServices(updates: string, options: UserServicesOptions = {}): Promise<Services> {
  const { choice = await chooseDaemon(), answerMs = 10_000, endMs = 30_000 } = options;
  // A program of one's own beside services of the system's: those are for their own update.
  const own = choice.mode === "user";
  return {
    mode: "user",
    exclusively: (work) => locked(updates, work),
    operations: async () => {
      const list = (client: Client) =>
        within(answerMs, "answer", client.call("daemon.operations.list", {}), haltedHint);
      return own ? ((await asked(choice, list)) ?? []) : [];
    },
    stateTask: async (program, word, signal) => {
      const { status, stderr } = await run(program, ["internal", "daemon", word], {
        ...{ signal, env: ownEnvironment() },
      });
      return { status, said: lastLine(stderr) };
    },
    stop: async () => {
      if (own) await stopDaemon(choice, endMs);
    },
    adopt: async () => {},
    bringUp: async (program, build, signal) => {
      if (!own) return;
      await stopDaemon(choice, endMs);
      await startDaemon(program, build, signal);
    },
    afterwards: async () => {},
  };
}

async function locked<T>(updates: string, work: () => Promise<T>): Promise<T> {
  await mkdir(updates, { recursive: true });
  const lock = lockFile(join(updates, "lock"));
  if (lock === undefined) {
    throw new BangerError("unavailable", "another banger update is under way", {
      hint: "try again when it has ended",
    });
  }
  try {
    return await work();
  } finally {
    lock.release();
  }
}

async function asked<T>(
  choice: DaemonChoice,
  question: (client: Client) => Promise<T>,
): Promise<T | undefined> {
  const client = await connectIfRunning({ choice });
  if (client === undefined) return undefined;
  try {
    return await question(client);
  } finally {
    client.close();
  }
}

const haltedHint =
  'it may be halted: find it (pgrep -af "internal daemon"), end it by kill -9 PID (VMs run on), and try again';

/** VMs run on. */
async function stopDaemon(choice: DaemonChoice, endMs: number): Promise<void> {
  await asked(choice, (client) =>
    within(
      endMs,
      "end",
      client.call("daemon.stop", {}).then(() => client.closed),
      haltedHint,
    ),
  );
}

/** By a command that needs one, as its user would. */
async function startDaemon(program: string, build: Build, signal: AbortSignal): Promise<void> {
  const ask = async (...words: string[]) => {
    const { status, stdout, stderr } = await run(program, words, {
      signal: AbortSignal.any([signal, AbortSignal.timeout(startMs)]),
      env: ownEnvironment(),
      maxOutputBytes: 64 * 1024 ** 2,
    });
    if (status === 0) return stdout.toString("utf8");
    const [first = `status ${status}`] = stderr.trim().split("\n");
    throw new BangerError(
      "operation_failed",
      `bangerd of v${build.version} does not work: ${first.replace(/^banger: /, "")}`,
    );
  };
  await ask("vm", "list", "--json");
  const status: unknown = JSON.parse(await ask("daemon", "status", "--json"));
  const { version, commit } = { version: undefined, commit: undefined, ...(status as object) };
  if (version === build.version && commit === build.commit) return;
  throw new BangerError(
    "bad_version",
    `bangerd is ${version} (${commit}), and not v${build.version} (${build.commit})`,
  );
}
