/** A daemon on the null bed whose system calls fail one by one (native/faults), and what it leaves. */
import { Database } from "bun:sqlite";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { BangerError } from "../../src/base/base.ts";
import { type Client, connect, type Method, type Params, type Result } from "../../src/rpc/rpc.ts";

const root = join(import.meta.dir, "../..");
export const faultsProgram: string = join(root, "build/native/faults");

/** Undefined when calls can be made to fail here; else why not. */
export function faultsUnavailable(): string | undefined {
  const made = spawnSync("make", ["-C", join(root, "native"), "../build/native/faults"], {
    encoding: "utf8",
  });
  if (made.status !== 0) return `native/faults does not compile: ${made.stderr}`;
  const { status, stderr } = spawnSync(faultsProgram, ["/", "true"], {
    encoding: "utf8",
    timeout: 10_000,
    stdio: ["pipe", "pipe", "pipe"],
  });
  return status === 0 ? undefined : `no seccomp notifications: ${stderr.trim() || `status ${status}`}`;
}

export type Errno = "ENOSPC" | "EIO" | "EMFILE" | "EAGAIN";

export interface Fault {
  /** A call or a group of calls, as native/faults names it. */
  call: string;
  errno: Errno;
  nth: number;
  /** once: this one call. on: and all after it, as on a disk that stays full. */
  mode: "once" | "on";
}

export interface CountedCall {
  call: string;
  path: string;
  failed: boolean;
}

/** How long a call to the daemon may take, in ms: none of these takes one of them. */
const answerLimitMs = 15_000;

export class FaultyDaemon {
  readonly dir = mkdtempSync(join(tmpdir(), "banger-faults-"));
  readonly state = join(this.dir, "s/banger");
  readonly runtime = join(this.dir, "r/banger");
  #child: ChildProcess | undefined;
  #lines: Interface | undefined;
  #answers: AsyncIterator<string> | undefined;
  #pid = 0;

  async start(): Promise<void> {
    const env = {
      PATH: process.env.PATH ?? "",
      HOME: this.dir,
      LANG: "C.UTF-8",
      XDG_STATE_HOME: join(this.dir, "s"),
      XDG_RUNTIME_DIR: join(this.dir, "r"),
      XDG_CONFIG_HOME: join(this.dir, "c"),
      XDG_CACHE_HOME: join(this.dir, "h"),
    };
    const child = spawn(faultsProgram, [this.dir, process.execPath, join(root, "bench/null-daemon.ts")], {
      env,
      cwd: this.dir,
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout });
    this.#answers = this.#lines[Symbol.asyncIterator]();
    for (const until = Date.now() + answerLimitMs; this.#pid === 0; ) {
      if (child.exitCode !== null || Date.now() > until) throw new Error("the daemon did not come up");
      try {
        this.#pid = (await this.call("daemon.status", {})).pid;
      } catch (error) {
        // Not there yet, or bound and not yet listening.
        if (!(error instanceof BangerError && error.code === "unavailable")) throw error;
        await Bun.sleep(5);
      }
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    if (child.exitCode === null && child.signalCode === null) {
      if (this.#pid > 0) process.kill(this.#pid, "SIGTERM");
      // The end of its commands is the daemon's end, also of one that hangs.
      const late = setTimeout(() => child.stdin?.end(), this.#pid > 0 ? answerLimitMs : 0);
      await ended;
      clearTimeout(late);
    }
    this.#pid = 0;
    this.#lines?.close();
    this.#child = undefined;
  }

  /** Ends the daemon and removes its directories. */
  async close(): Promise<void> {
    await this.stop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async #say(line: string): Promise<string> {
    this.#child?.stdin?.write(`${line}\n`);
    return this.#answer();
  }

  async #answer(): Promise<string> {
    const next = await this.#answers?.next();
    if (next === undefined || next.done) throw new Error("the daemon has ended");
    return next.value;
  }

  /** What `body` did on this daemon's directories, and to processes and descriptors, with a call failing in it. */
  async during<T>(
    fault: Fault | undefined,
    body: () => Promise<T>,
  ): Promise<{ value: T; calls: CountedCall[] }> {
    const { call, errno, nth, mode } = fault ?? { call: "-", errno: "EIO", nth: 0, mode: "once" };
    await this.#say(`arm ${call} ${constants.errno[errno]} ${nth} ${mode}`);
    const value = await body();
    const calls: CountedCall[] = [];
    for (let line = await this.#say("off"); line !== "."; line = await this.#answer()) {
      const [, mark, name = "", path = ""] = /^(!?)(\S+) (.*)$/.exec(line) ?? [];
      calls.push({ call: name, path: path.replace(`${this.dir}/`, ""), failed: mark === "!" });
    }
    return { value, calls };
  }

  /** Over a connection of its own: accepting it is part of what may fail. */
  async call<M extends Method>(method: M, params: Params<M>): Promise<Result<M>> {
    let client: Client | undefined;
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new Error(`${method} was not answered in ${answerLimitMs} ms`)),
      answerLimitMs,
    );
    try {
      client = await connect(join(this.runtime, "bangerd.sock"));
      return await Promise.race([client.call(method, params), late.promise]);
    } finally {
      clearTimeout(timer);
      client?.close();
    }
  }

  /** The error that a call ended with; undefined when it went well. Anything but a BangerError is thrown on. */
  async failure<M extends Method>(method: M, params: Params<M>): Promise<BangerError | undefined> {
    try {
      await this.call(method, params);
      return undefined;
    } catch (error) {
      if (error instanceof BangerError) return error;
      throw error;
    }
  }

  /** Every file with a digest of its content, save what may change: log, database, finished templates, the user's key, what is made of VMs' keys. */
  files(): string[] {
    return [this.state, this.runtime].flatMap((top) =>
      readdirSync(top, { recursive: true, encoding: "utf8" })
        .filter((name) => !changing.test(name))
        .map((name) => {
          const path = join(top, name);
          const found = statSync(path);
          return found.isFile() ? `${path} ${found.size} ${digest(path, found.size)}` : path;
        })
        .sort(),
    );
  }

  /** Runs that the next daemon would take back or go through again. */
  journal(): string[] {
    const db = new Database(join(this.state, "banger.db"), { readonly: true });
    try {
      return db
        .query<{ list: string }, []>("SELECT list FROM journal_runs")
        .all()
        .map(({ list }) => list);
    } finally {
      db.close();
    }
  }

  /** Empties the database's log: else the daemon does, every thousand pages, in the middle of whatever it is at. */
  emptyLog(): void {
    const db = new Database(join(this.state, "banger.db"));
    try {
      db.run("PRAGMA busy_timeout = 5000; PRAGMA wal_checkpoint(TRUNCATE)");
    } finally {
      db.close();
    }
  }

  /** How many are open in the daemon. */
  descriptors(): number {
    return readdirSync(`/proc/${this.#pid}/fd`).length;
  }
}

const changing =
  /^(bangerd\.log|banger\.db(-wal|-shm)?|work-templates(\/work-[0-9a-f]{32})?|ssh(\/(id_ed25519(\.pub)?|known_hosts(\.new)?))?)$/;

function digest(path: string, size: number): string {
  // Disks of 16 MiB: their beginning has all that differs.
  const bytes = readFileSync(path).subarray(0, Math.min(size, 1 << 20));
  return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
}
