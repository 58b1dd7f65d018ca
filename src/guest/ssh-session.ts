/**
 * The session over ssh, for a guest whose agent does not answer: the same promises, by sshd and the guest's own tools.
 *
 * One connection stands for as long as the session does; each operation with a stream has one more, and ends it. A session
 * that nobody uses ends by itself, so that the next one begins with the agent again.
 */
import type { Duplex, Readable } from "node:stream";
import { BangerError } from "../base/base.ts";
import { abortable } from "./abort.ts";
import type { ExecRequest, GuestHello, GuestProcess, GuestSession } from "./guest.ts";
import type { LivenessLimits } from "./liveness.ts";
import { protocolVersion } from "./protocol.ts";
import { shellLine, signalLine } from "./ssh-command.ts";
import { connectSsh, harmless, type SshConnection } from "./ssh-connection.ts";
import { connectBySsh } from "./ssh-forward.ts";
import { portsOf, portsScript, statsOf, statsScript } from "./ssh-info.ts";
import { execBySsh } from "./ssh-process.ts";
import type { SshTarget } from "./ssh-target.ts";
import { packBySsh, unpackBySsh } from "./ssh-trees.ts";

export interface SshSessionOptions {
  signal: AbortSignal;
  /** How long nobody may use it. In ms. */
  idleMs?: number;
  liveness?: LivenessLimits;
}

const usualIdleMs = 10_000;
const answerTimeoutMs = 60_000;
/** As many connections as a guest of 128 MiB can bear. */
const maxConnections = 60;
/** sshd drops connections when ten of them have not logged in yet (MaxStartups). */
const maxLogins = 4;
const maxAnswerBytes = 1 << 20;

/** Rejects when nobody answers, when the host key is another one, and when the shell behind it does not work. */
export async function openSshSession(target: SshTarget, options: SshSessionOptions): Promise<GuestSession> {
  const main = await connectSsh(target, options.signal, options.liveness);
  const session = new SshSession(target, main, options);
  try {
    await abortable(session.greet(), options.signal);
    return session;
  } catch (error) {
    session.close();
    throw error;
  }
}

class SshSession implements GuestSession {
  readonly channel = "ssh";
  readonly closed: Promise<{ reason: string }>;
  readonly #connections = new Set<SshConnection>();
  #logins = 0;
  readonly #waiting: (() => void)[] = [];
  #idle: ReturnType<typeof setTimeout> | undefined;
  #busy = 0;
  #greeting: GuestHello | undefined;

  constructor(
    private readonly target: SshTarget,
    private readonly main: SshConnection,
    private readonly options: SshSessionOptions,
  ) {
    this.closed = main.lost.then((error) => {
      clearTimeout(this.#idle);
      for (const connection of this.#connections) connection.fail(error);
      return { reason: error.message };
    });
  }

  get hello(): GuestHello {
    if (this.#greeting === undefined) throw new BangerError("internal", "the guest has not been asked yet");
    return this.#greeting;
  }

  async greet(): Promise<void> {
    const said = await this.#run("cat /proc/sys/kernel/random/boot_id; uname -r");
    const [bootId = "", kernelRelease = ""] = said.split("\n").map((line) => harmless(line).slice(0, 64));
    this.#greeting = {
      protocol: protocolVersion,
      agentVersion: "",
      bootId,
      kernelRelease,
      // sshd has its keys from it, and waits for basic.target.
      personalised: true,
      basicReached: true,
      runsAsUsers: false,
    };
  }

  async answering(): Promise<void> {}

  async ready(): Promise<void> {}

  async exec(request: ExecRequest, signal?: AbortSignal): Promise<GuestProcess> {
    if (request.user !== undefined)
      throw new BangerError(
        "unavailable",
        `the command cannot run as the user ${harmless(request.user)}: the VM is gone to by ssh, as root`,
        { hint: "to run it as root: --user root; for an agent that answers: banger vm restart" },
      );
    const connection = await this.#connect(signal);
    const started = execBySsh(connection, request, (pid, number) => this.#signal(pid, number));
    started.catch(() => connection.end());
    const process = await abortable(started, signal).catch((error: unknown) => {
      connection.end();
      throw error;
    });
    const kill = () => {
      process.signal(9);
      connection.fail(new BangerError("cancelled", "cancelled"));
    };
    signal?.addEventListener("abort", kill, { once: true });
    const done = () => signal?.removeEventListener("abort", kill);
    process.exit.then(done, done);
    return process;
  }

  async personalise(): Promise<never> {
    throw new BangerError(
      "guest_failed",
      "a guest gets its identity before its init, and then only the agent is there",
      { hint: "see what the guest says: banger vm logs" },
    );
  }

  unpack(root: string, tar: Readable, signal?: AbortSignal) {
    return unpackBySsh(this, root, tar, signal);
  }

  pack(path: string, signal?: AbortSignal): Promise<Readable> {
    return packBySsh(this, path, signal);
  }

  async connect(to: { port: number } | { path: string }, signal?: AbortSignal): Promise<Duplex> {
    return connectBySsh(await this.#connect(signal), to, signal);
  }

  async ports(signal?: AbortSignal) {
    return portsOf(await this.#run(portsScript, [], signal));
  }

  async stats(signal?: AbortSignal) {
    return statsOf(await this.#run(statsScript, [], signal));
  }

  async ping(signal?: AbortSignal): Promise<void> {
    await this.#run(":", [], signal);
  }

  async setClock(signal?: AbortSignal): Promise<void> {
    await this.#run(`date -s @${Date.now() / 1000} >/dev/null`, [], signal);
  }

  /** The session's own keys are on that disk. */
  async releaseWorkDisk(): Promise<void> {
    throw new BangerError(
      "guest_failed",
      "the guest's agent does not answer, and only that can give the work disk back",
    );
  }

  takeWorkDisk(): Promise<void> {
    return this.releaseWorkDisk();
  }

  /** Machines that can be paused are reached by their agent alone. */
  rest(): void {}

  /** The same signal as the agent's. At once is a restart: what is reached by ssh runs on Firecracker, which it ends. */
  async powerOff(how: "systemd" | "immediate", signal?: AbortSignal): Promise<void> {
    const end = how === "systemd" ? "kill -38 1" : "echo b > /proc/sysrq-trigger";
    // A moment later, so that the answer gets out.
    await this.#run(`sync; (sleep 0.2; ${end}) </dev/null >/dev/null 2>&1 &`, [], signal);
  }

  /** Not counted: what ends connections to a guest's agent leaves these. */
  readonly openStreams = 0;

  close(): void {
    this.main.end();
  }

  #signal(pid: number, signal: number): Promise<void> {
    return this.#answer(signalLine(pid, signal)).then(() => {});
  }

  #run(script: string, args: readonly string[] = [], signal?: AbortSignal): Promise<string> {
    return this.#answer(shellLine(script, args), signal);
  }

  /** What a short command says, by the connection that stands. */
  async #answer(line: string, signal?: AbortSignal): Promise<string> {
    const limit = AbortSignal.any([
      AbortSignal.timeout(answerTimeoutMs),
      ...(signal === undefined ? [] : [signal]),
    ]);
    this.#begin();
    try {
      const channel = await abortable(this.main.exec(line), limit);
      const over = Promise.withResolvers<string>();
      let said = "";
      channel.on("data", (chunk: Buffer) => {
        said += chunk.toString("latin1");
        if (said.length > maxAnswerBytes)
          this.main.fail(new BangerError("guest_failed", "the guest says more than it was asked"));
      });
      channel.stderr.resume();
      channel.on("close", () => over.resolve(said));
      void this.main.lost.then((error) => over.reject(error));
      channel.end();
      return await abortable(over.promise, limit).finally(() => channel.close());
    } catch (error) {
      if (!limit.aborted || signal?.aborted) throw error;
      throw new BangerError("timeout", "the guest did not answer by ssh");
    } finally {
      this.#end();
    }
  }

  /** A connection for one operation. */
  async #connect(signal?: AbortSignal): Promise<SshConnection> {
    if (this.#connections.size + this.#logins + this.#waiting.length >= maxConnections)
      throw new BangerError("unavailable", "too many streams to this guest are open already");
    this.#begin();
    try {
      await this.#turn();
      const gone = new AbortController();
      void this.main.lost.then((error) => gone.abort(error));
      const limits = [AbortSignal.timeout(answerTimeoutMs), gone.signal];
      const limit = AbortSignal.any(signal === undefined ? limits : [...limits, signal]);
      try {
        const connection = await connectSsh(this.target, limit, this.options.liveness);
        this.#connections.add(connection);
        void connection.lost.then(() => {
          this.#connections.delete(connection);
          this.#end();
        });
        return connection;
      } finally {
        this.#logins -= 1;
        this.#waiting.shift()?.();
      }
    } catch (error) {
      this.#end();
      throw error;
    }
  }

  async #turn(): Promise<void> {
    while (this.#logins >= maxLogins) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#logins += 1;
  }

  #begin(): void {
    this.#busy += 1;
    clearTimeout(this.#idle);
  }

  #end(): void {
    this.#busy -= 1;
    if (this.#busy > 0) return;
    this.#idle = setTimeout(() => this.close(), this.options.idleMs ?? usualIdleMs);
    this.#idle.unref();
  }
}

/** What the operations on trees need of a session. */
export type CommandSession = Pick<GuestSession, "exec">;
