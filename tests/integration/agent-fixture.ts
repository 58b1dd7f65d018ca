/** Runs the real guest agent on this host, behind a unix socket instead of a virtio port. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { type ExecRequest, type GuestSession, openAgentSession } from "../../src/guest/guest.ts";

const binary = process.env.BANGER_TEST_AGENT ?? join(import.meta.dir, "../../build/native/agent");

/** Why these tests cannot run here, or undefined. */
export const agentMissing = existsSync(binary)
  ? undefined
  : "build/native/agent is missing; run: make -C native";
if (agentMissing !== undefined) console.warn(`agent tests skipped: ${agentMissing}`);

/** The agent needs a moment to listen, and nothing tells when. */
export async function dialAgent(path: string): Promise<Socket> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await new Promise((resolve, reject) => {
        const socket = connect(path);
        socket.once("connect", () => resolve(socket));
        socket.once("error", reject);
      });
    } catch (error) {
      if (attempt > 500) throw error;
      await Bun.sleep(10);
    }
  }
}

export class AgentFixture {
  readonly dir = mkdtempSync(join(tmpdir(), "banger-agent-"));
  readonly #socket = join(this.dir, "s");
  readonly #agent: ChildProcess;
  readonly #sessions: GuestSession[] = [];

  constructor() {
    this.#agent = spawn(binary, ["--socket", this.#socket, "--run", this.dir], {
      stdio: ["ignore", "inherit", "inherit"],
    });
  }

  get pid(): number {
    return this.#agent.pid ?? 0;
  }

  get alive(): boolean {
    return this.#agent.exitCode === null && this.#agent.signalCode === null;
  }

  /** A raw connection. */
  dial(): Promise<Socket> {
    return dialAgent(this.#socket);
  }

  async session(): Promise<GuestSession> {
    const session = await openAgentSession(await this.dial());
    this.#sessions.push(session);
    return session;
  }

  /** What systemd does when basic.target has been reached. */
  reachBasic(): void {
    writeFileSync(join(this.dir, "ready"), "");
  }

  async end(): Promise<void> {
    for (const session of this.#sessions) session.close();
    const gone = new Promise((resolve) => this.#agent.once("exit", resolve));
    if (this.alive) {
      this.#agent.kill("SIGKILL");
      await gone;
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export async function bytesOf(stream: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

export interface Outcome {
  status: number;
  stdout: string;
  stderr: string;
}

/** Runs a command to its end, with `input` on its standard input. */
export async function runIn(
  session: GuestSession,
  argv: readonly string[],
  more: Partial<ExecRequest> & { input?: string | Buffer } = {},
): Promise<Outcome> {
  const { input, ...request } = more;
  const child = await session.exec({ argv, cwd: "/", after: "agent", ...request });
  child.stdin.end(input ?? "");
  const [stdout, stderr, status] = await Promise.all([
    bytesOf(child.stdout),
    bytesOf(child.stderr),
    child.exit,
  ]);
  return { status, stdout: stdout.toString(), stderr: stderr.toString() };
}
