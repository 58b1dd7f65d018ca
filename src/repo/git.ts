/**
 * The only place in this room that starts git.
 *
 * Every call names its git directory, work tree, index and object store explicitly, gets an environment made from
 * nothing, and never sees the repository's own configuration: the git directory is always a private one of ours
 * (private-git-dir.ts).
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, isAbsolute, relative } from "node:path";
import { BangerError } from "../base/base.ts";
import { printable } from "./printable.ts";

/** Where git is told to look. All paths absolute. */
export interface GitPlace {
  gitDir: string;
  workTree: string;
  objectDir: string;
  indexFile: string;
}

export interface GitOptions {
  signal?: AbortSignal | undefined;
  input?: Uint8Array | undefined;
  /** More output is an error. Default 1 GiB: the list of a very large tree. */
  maxOutputBytes?: number;
  /** Statuses besides 0 that are an answer and no failure. */
  okStatuses?: readonly number[];
  /** Reads the user's and the system's configuration; for `git config` only. */
  withUserConfig?: boolean;
  /** The most memory of its own: what a guest sends can unpack to any size. */
  maxMemoryBytes?: number;
  /** Its input comes from elsewhere, and may be long in coming: that it sleeps means nothing. */
  slowInput?: boolean;
}

let started = 0;

/** How many git processes this process has started: a counter that CI pins. */
export function gitProcessCount(): number {
  return started;
}

/** Runs git to its end and returns what it printed. Throws operation_failed with git's last words otherwise. */
export async function runGit(
  place: GitPlace,
  args: readonly string[],
  options: GitOptions = {},
): Promise<{ stdout: Buffer; status: number }> {
  const child = startGit(place, args, options);
  const limit = options.maxOutputBytes ?? 1024 ** 3;
  const chunks: Buffer[] = [];
  let size = 0;
  child.process.stdout?.on("data", (chunk: Buffer) => {
    size += chunk.length;
    if (size > limit) child.fail(new BangerError("bad_repository", `git printed more than ${limit} bytes`));
    else chunks.push(chunk);
  });
  child.process.stdin?.end(options.input);
  const status = await child.ended;
  return { stdout: Buffer.concat(chunks), status };
}

export interface RunningGit {
  readonly process: ChildProcess;
  /** The exit status, when it is 0 or one of okStatuses; rejects otherwise, also on abort and on a stall. */
  readonly ended: Promise<number>;
  /** Kills git; `ended` rejects with this error. */
  fail(error: BangerError): void;
}

/** Starts git; the caller feeds stdin and drains stdout. */
export function startGit(place: GitPlace, args: readonly string[], options: GitOptions = {}): RunningGit {
  options.signal?.throwIfAborted();
  started += 1;
  const [program, ...words] = limited(["git", "--no-pager", "--literal-pathspecs", ...args], options);
  const child = spawn(program ?? "git", words, {
    cwd: "/",
    env: gitEnvironment(place, options.withUserConfig === true),
    stdio: ["pipe", "pipe", "pipe"],
  });
  let failure: BangerError | undefined;
  const fail = (error: BangerError) => {
    failure ??= error;
    child.kill("SIGKILL");
  };
  const stderr: Buffer[] = [];
  let stderrSize = 0;
  child.stderr.on("data", (chunk: Buffer) => {
    // A repository can make git warn once a file; the last words matter, and memory must stay bounded.
    stderrSize += chunk.length;
    stderr.push(chunk);
    while (stderrSize > 65_536 && stderr.length > 1) stderrSize -= stderr.shift()?.length ?? 0;
  });
  // EPIPE: git may end without reading all of its input; its status tells whether that was a failure.
  child.stdin.on("error", () => {});
  const onAbort = () => fail(new BangerError("cancelled", "cancelled"));
  options.signal?.addEventListener("abort", onAbort, { once: true });
  const watch = options.slowInput === true ? () => () => {} : watchForStall;
  const stopWatching = watch(child, () =>
    fail(
      new BangerError("bad_repository", `git ${args[0] ?? ""} is waiting for something that never comes`, {
        hint: "look for a pipe or another special file where git expects a file: find . -name .gitignore -not -type f",
      }),
    ),
  );
  const ended = new Promise<number>((resolve, reject) => {
    const settle = () => {
      stopWatching();
      options.signal?.removeEventListener("abort", onAbort);
    };
    child.on("error", (error: NodeJS.ErrnoException) => {
      settle();
      reject(failure ?? notStarted(error));
    });
    child.on("close", (code, signal) => {
      settle();
      const said = Buffer.concat(stderr);
      if (failure !== undefined) reject(failure);
      else if (code !== null && (code === 0 || options.okStatuses?.includes(code))) resolve(code);
      else reject(gitFailed(args[0] ?? "", code ?? signal ?? "?", said));
    });
  });
  // The caller awaits it later; an early failure must not count as unhandled before that.
  ended.catch(() => {});
  return { process: child, ended, fail };
}

/** By the shell that every host has: there is no setrlimit here. RLIMIT_DATA leaves mapped packs out. */
function limited(command: readonly string[], { maxMemoryBytes }: GitOptions): readonly string[] {
  if (maxMemoryBytes === undefined) return command;
  return [
    "/bin/sh",
    "-c",
    'ulimit -d "$0" && exec "$@"',
    String(Math.floor(maxMemoryBytes / 1024)),
    ...command,
  ];
}

function gitFailed(command: string, status: number | string, said: Buffer): BangerError {
  const lines = said
    .toString("latin1")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("warning:"));
  const last = Buffer.from(lines.slice(-2).join("; "), "latin1").subarray(0, 500);
  return new BangerError(
    "bad_repository",
    `git ${command} failed (${status}): ${printable(last) || "no message"}`,
    {
      hint: "check the repository with: git fsck",
    },
  );
}

function notStarted(error: NodeJS.ErrnoException): BangerError {
  if (error.code === "ENOENT") {
    return new BangerError("host_missing", "git is not installed on this host", {
      hint: "install it, for instance: sudo apt install git",
      cause: error,
    });
  }
  return new BangerError("operation_failed", `git could not be started: ${error.message}`, { cause: error });
}

function gitEnvironment(place: GitPlace, withUserConfig: boolean): Record<string, string> {
  const env: Record<string, string> = {
    LC_ALL: "C",
    PATH: safePath(process.env.PATH, place.workTree),
    GIT_DIR: place.gitDir,
    GIT_WORK_TREE: place.workTree,
    GIT_OBJECT_DIRECTORY: place.objectDir,
    GIT_INDEX_FILE: place.indexFile,
    GIT_OPTIONAL_LOCKS: "0",
    GIT_NO_LAZY_FETCH: "1",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_TERMINAL_PROMPT: "0",
    GIT_ALLOW_PROTOCOL: "none",
    GIT_ATTR_NOSYSTEM: "1",
  };
  if (!withUserConfig) {
    env.GIT_CONFIG_NOSYSTEM = "1";
    env.GIT_CONFIG_GLOBAL = "/dev/null";
  }
  for (const name of ["HOME", "XDG_CONFIG_HOME"]) {
    const value = process.env[name];
    if (value !== undefined && isAbsolute(value)) env[name] = value;
  }
  return env;
}

/** The caller's PATH without what a repository could plant a program in: relative entries and its own directories. */
export function safePath(path: string | undefined, workTree: string): string {
  const kept = (path ?? "").split(delimiter).filter((entry) => {
    if (!isAbsolute(entry)) return false;
    const below = relative(workTree, entry);
    return below.startsWith("..") || isAbsolute(below);
  });
  return kept.length > 0 ? kept.join(delimiter) : "/usr/local/bin:/usr/bin:/bin";
}

const stallCheckMs = 2000;

/**
 * Calls `onStall` when a child sleeps (state S, not D: no disk wait) without using any CPU time through three checks.
 * There is no event for "blocked in open(2) of a pipe that nobody writes", which is how a hostile tree hangs git.
 */
function watchForStall(child: ChildProcess, onStall: () => void): () => void {
  let last = "";
  let same = 0;
  const timer = setInterval(() => {
    const now = sleepingSince(child.pid);
    // A full pipe to us is our own backpressure, not a stall.
    same = now !== undefined && now === last && (child.stdout?.readableLength ?? 0) === 0 ? same + 1 : 0;
    last = now ?? "";
    if (same >= 2 && child.stdout?.isPaused() !== true) onStall();
  }, stallCheckMs);
  timer.unref();
  return () => clearInterval(timer);
}

function sleepingSince(pid: number | undefined): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "S" ? `${fields[11]} ${fields[12]}` : undefined;
  } catch {
    return undefined; // it has ended
  }
}
