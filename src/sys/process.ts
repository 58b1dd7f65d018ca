/** The only place that starts host processes. */
import { type ChildProcess, spawn } from "node:child_process";
import { BangerError } from "../base/base.ts";

export interface RunOptions {
  cwd?: string;
  /** The whole environment of the process; default PATH, HOME and a C.UTF-8 locale, nothing else. */
  env?: Readonly<Record<string, string>>;
  signal?: AbortSignal;
  input?: Uint8Array;
  /** Bytes of stdout and of stderr that are kept; more is an error. Default 1 MiB. */
  maxOutputBytes?: number;
}

export interface RunResult {
  status: number;
  stdout: Buffer;
  stderr: string;
}

let spawned = 0;

/** How many processes this process has started: a counter that the benchmarks pin. */
export function spawnCount(): number {
  return spawned;
}

/** Debian gives ordinary users no sbin in their PATH; but mke2fs and its kind, which are there, need no root. */
const systemTools = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** The smallest environment that host tools need: nothing of the caller's can steer them. */
export function cleanEnvironment(): Record<string, string> {
  const given = (process.env.PATH ?? "/usr/bin:/bin").split(":").filter((dir) => dir !== "");
  const env: Record<string, string> = {
    LC_ALL: "C.UTF-8",
    PATH: [...given, ...systemTools.filter((dir) => !given.includes(dir))].join(":"),
  };
  if (process.env.HOME !== undefined) env.HOME = process.env.HOME;
  return env;
}

/** Runs a program to its end. Rejects only when it cannot be started, is aborted or prints too much. */
export function run(program: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const limit = options.maxOutputBytes ?? 1024 * 1024;
  options.signal?.throwIfAborted();
  return new Promise((resolve, reject) => {
    spawned += 1;
    const child = spawn(program, args, {
      cwd: options.cwd ?? "/",
      env: options.env ?? cleanEnvironment(),
      stdio: [options.input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let size = 0;
    let failure: BangerError | undefined;
    const stop = (why: BangerError) => {
      failure ??= why;
      child.kill("SIGKILL");
      // A child of its may live on, and hold them open.
      child.stdout?.destroy();
      child.stderr?.destroy();
    };
    const onAbort = () => stop(new BangerError("cancelled", `${program} was cancelled`));
    options.signal?.addEventListener("abort", onAbort, { once: true });
    const collect = (into: Buffer[]) => (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit)
        stop(new BangerError("operation_failed", `${program} printed more than ${limit} bytes`));
      else into.push(chunk);
    };
    child.stdout?.on("data", collect(out));
    child.stderr?.on("data", collect(err));
    // EPIPE: the program may end without reading all of its input; its status tells whether that was a failure.
    child.stdin?.on("error", () => {});
    if (options.input !== undefined) child.stdin?.end(options.input);
    child.on("error", (error: NodeJS.ErrnoException) => {
      options.signal?.removeEventListener("abort", onAbort);
      reject(notStarted(program, error));
    });
    child.on("close", (code, signal) => {
      options.signal?.removeEventListener("abort", onAbort);
      if (failure) reject(failure);
      else
        resolve({
          status: code ?? 128 + signalNumber(signal),
          stdout: Buffer.concat(out),
          stderr: Buffer.concat(err).toString("utf8"),
        });
    });
  });
}

/** Like run, but a status other than 0 is an error that carries the end of what the program said. */
export async function runChecked(
  program: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const result = await run(program, args, options);
  if (result.status !== 0) {
    const said = result.stderr.trim().split("\n").slice(-3).join("; ");
    throw new BangerError(
      "operation_failed",
      `${program} failed with status ${result.status}: ${said || "no message"}`,
    );
  }
  return result;
}

export interface DaemonProcessOptions {
  cwd?: string;
  env?: Readonly<Record<string, string>>;
  /** File descriptors for stdin (default /dev/null), stdout, stderr. No other descriptor is inherited. */
  stdout: number;
  stderr: number;
  /** Becomes descriptor 3. */
  third?: number;
}

/** Starts a process that outlives this one, in a session of its own. The caller watches it by its identity. */
export function spawnDetached(
  program: string,
  args: readonly string[],
  options: DaemonProcessOptions,
): ChildProcess {
  spawned += 1;
  const child = spawn(program, args, {
    cwd: options.cwd ?? "/",
    env: options.env ?? cleanEnvironment(),
    detached: true,
    stdio: [
      "ignore",
      options.stdout,
      options.stderr,
      ...(options.third === undefined ? [] : [options.third]),
    ],
  });
  child.unref();
  return child;
}

function notStarted(program: string, error: NodeJS.ErrnoException): BangerError {
  if (error.code === "ENOENT") {
    return new BangerError("host_missing", `the program ${program} was not found`, {
      hint: `looked in ${cleanEnvironment().PATH}`,
      cause: error,
    });
  }
  return new BangerError("operation_failed", `${program} could not be started: ${error.message}`, {
    cause: error,
  });
}

const signals: Record<string, number> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGSEGV: 11,
  SIGUSR2: 12,
  SIGPIPE: 13,
  SIGTERM: 15,
};

function signalNumber(name: string | null): number {
  return name === null ? 0 : (signals[name] ?? 0);
}

export interface StreamingOptions {
  cwd: string;
  env: Readonly<Record<string, string>>;
  signal: AbortSignal;
  /** Each line of stdout and stderr, without its newline; overlong ones are cut. */
  onLine(line: string): void;
}

const maxLineLength = 4096;

/** Runs a program that talks while it works. Aborting ends its whole process group. Resolves with its status. */
export function runStreaming(
  program: string,
  args: readonly string[],
  options: StreamingOptions,
): Promise<number> {
  options.signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    spawned += 1;
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: options.env,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    const onAbort = () => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
      } catch {
        // The group has ended already.
      }
    };
    options.signal.addEventListener("abort", onAbort, { once: true });
    for (const stream of [child.stdout, child.stderr]) {
      let rest = "";
      stream.setEncoding("utf8");
      stream.on("data", (chunk: string) => {
        const lines = (rest + chunk).split("\n");
        rest = (lines.pop() ?? "").slice(0, maxLineLength);
        for (const line of lines) options.onLine(line.slice(0, maxLineLength));
      });
      stream.on("end", () => rest !== "" && options.onLine(rest));
    }
    child.on("error", (error: NodeJS.ErrnoException) => reject(notStarted(program, error)));
    child.on("close", (code, signal) => {
      options.signal.removeEventListener("abort", onAbort);
      if (options.signal.aborted) reject(new BangerError("cancelled", `${program} was cancelled`));
      else resolve(code ?? 128 + signalNumber(signal));
    });
  });
}
