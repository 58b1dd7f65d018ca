/** A real sshd on this host's loopback, with keys and settings of its own, in the place of a guest's. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import type { SshTarget } from "../../src/guest/guest.ts";
import { openSshSession, type SshSessionOptions } from "../../src/guest/ssh-session.ts";

const sshd = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].find(existsSync);

/** Why these tests cannot run here, or undefined. */
export const sshdMissing = sshd === undefined ? "there is no sshd; apt install openssh-server" : undefined;
if (sshdMissing !== undefined) console.warn(`ssh tests skipped: ${sshdMissing}`);

export class SshdFixture {
  // Below /run, because sshd wants a directory that nobody else can write to above the authorized keys.
  readonly dir = mkdtempSync(join(process.getuid?.() === 0 ? "/run" : homedir(), "banger-sshd-"));
  readonly #server: ChildProcess;
  readonly #port: number;

  private constructor(port: number) {
    this.#port = port;
    for (const name of ["host", "other", "id"]) {
      execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", join(this.dir, name)]);
    }
    writeFileSync(join(this.dir, "authorized"), readFileSync(join(this.dir, "id.pub")));
    if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    const config = [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${join(this.dir, "host")}`,
      `AuthorizedKeysFile ${join(this.dir, "authorized")}`,
      "PermitRootLogin prohibit-password",
      "PidFile none",
      "UsePAM no",
      "PrintMotd no",
      "AllowStreamLocalForwarding yes",
    ];
    writeFileSync(join(this.dir, "config"), `${config.join("\n")}\n`);
    const args = ["-D", "-E", join(this.dir, "log"), "-f", join(this.dir, "config")];
    this.#server = spawn(sshd ?? "", args, { stdio: "ignore" });
  }

  static async start(): Promise<SshdFixture> {
    const free = createServer();
    const port = await new Promise<number>((resolve) =>
      free.listen(0, "127.0.0.1", () => {
        const address = free.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      }),
    );
    await new Promise((resolve) => free.close(resolve));
    const fixture = new SshdFixture(port);
    // Nothing tells when it listens.
    for (let attempt = 0; attempt < 200; attempt += 1) {
      const socket = await dialPort(port).catch(() => undefined);
      socket?.destroy();
      if (socket !== undefined) return fixture;
      await Bun.sleep(20);
    }
    throw new Error("sshd does not listen");
  }

  target(change: Partial<SshTarget> = {}): SshTarget {
    const read = (name: string) => async () => readFileSync(join(this.dir, name), "utf8");
    return {
      user: execFileSync("id", ["-un"], { encoding: "utf8" }).trim(),
      dial: () => dialPort(this.#port),
      hostKey: read("host.pub"),
      privateKey: read("id"),
      ...change,
    };
  }

  session(change: Partial<SshTarget> = {}, options: Partial<SshSessionOptions> = {}) {
    return openSshSession(this.target(change), { signal: AbortSignal.timeout(10_000), ...options });
  }

  end(): void {
    this.#server.kill("SIGKILL");
    rmSync(this.dir, { recursive: true, force: true });
  }
}

export function dialPort(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
  });
}
