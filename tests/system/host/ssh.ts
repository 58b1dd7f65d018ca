/** The way into the emulated host: OpenSSH, with one connection per user that all commands share. */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { connect } from "node:net";
import { join } from "node:path";
import type { HostRecord } from "./machine.ts";

export type HostUser = "root" | "dev";

export interface HostResult {
  /** The command's; 124 when it was ended for taking too long, 255 when the host could not be asked. */
  status: number;
  stdout: string;
  stderr: string;
  ms: number;
}

export type SshTarget = Pick<HostRecord, "sshPort" | "control" | "key">;

/** Debian's sshd says who it is as soon as it takes a connection. */
const banner = /^SSH-2\.0-/;

/** Waits until sshd answers, looking often: QEMU takes connections all the time, and closes them as long as nobody listens. */
export async function whenAnswering(target: SshTarget, limitMs: number): Promise<void> {
  const until = performance.now() + limitMs;
  while (!(await answers(target.sshPort))) {
    if (performance.now() > until)
      throw new Error(`the emulated host did not answer within ${limitMs / 1000} s`);
    await Bun.sleep(200);
  }
  for (const user of ["root", "dev"] as const) await openConnection(target, user);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    const end = (found: boolean) => {
      socket.destroy();
      resolve(found);
    };
    socket.setTimeout(3000, () => end(false));
    socket.on("data", (chunk: Buffer) => end(banner.test(chunk.toString("latin1"))));
    socket.on("error", () => end(false));
    socket.on("close", () => resolve(false));
  });
}

/** In the background, where it stays until the host ends. */
async function openConnection(target: SshTarget, user: HostUser): Promise<void> {
  const child = spawn("ssh", [...options(target), "-f", "-N", "-M", `${user}@127.0.0.1`], {
    stdio: "ignore",
  });
  const status = await new Promise((resolve) => child.on("close", resolve));
  if (status !== 0) throw new Error(`${user} cannot log in to the emulated host (ssh ended with ${status})`);
}

/** Ends what whenAnswering has opened; the host's side ends with it. */
export async function closeConnections(target: SshTarget): Promise<void> {
  for (const user of ["root", "dev"] as const) {
    const child = spawn("ssh", [...options(target), "-O", "exit", `${user}@127.0.0.1`], { stdio: "ignore" });
    await new Promise((resolve) => child.on("close", resolve));
  }
}

function options({ sshPort, control, key }: SshTarget): string[] {
  const settings = {
    BatchMode: "yes",
    IdentitiesOnly: "yes",
    StrictHostKeyChecking: "no",
    UserKnownHostsFile: "/dev/null",
    LogLevel: "ERROR",
    ConnectTimeout: "30",
    ServerAliveInterval: "30",
    ControlPath: join(control, "%r"),
    // The cheapest under emulation: AES is done by the real processor's instructions.
    Ciphers: "aes128-gcm@openssh.com",
  };
  const set = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  return ["-F", "none", "-p", String(sshPort), "-i", key, ...set];
}

/** ssh with the terminal, or whatever else, of the caller. `command` undefined: a login shell. */
export function startSsh(
  target: SshTarget,
  user: HostUser,
  command: string | undefined,
  stdio: StdioOptions,
): ChildProcess {
  const words = command === undefined ? [] : ["--", command];
  const terminal = stdio === "inherit" && process.stdin.isTTY ? ["-t"] : [];
  return spawn("ssh", [...options(target), ...terminal, `${user}@127.0.0.1`, ...words], { stdio });
}

export interface SshRun {
  user: HostUser;
  input: string | Uint8Array | undefined;
  timeoutMs: number;
}

/** Runs a shell command to its end. It is ended by the host after the limit, and by us when the host does not. */
export async function runSsh(
  target: SshTarget,
  command: string,
  { user, input, timeoutMs }: SshRun,
): Promise<HostResult> {
  const limited = `exec timeout -k 5 ${Math.ceil(timeoutMs / 1000)} bash -c ${quote(command)}`;
  const started = performance.now();
  const child = startSsh(target, user, limited, "pipe");
  const [out, err] = [collect(child.stdout), collect(child.stderr)];
  // EPIPE: a command need not read its input.
  child.stdin?.on("error", () => {});
  child.stdin?.end(input ?? "");
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs + 15_000);
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  clearTimeout(timer);
  return { status: status ?? 255, stdout: out(), stderr: err(), ms: performance.now() - started };
}

function collect(stream: NodeJS.ReadableStream | null): () => string {
  const chunks: Buffer[] = [];
  stream?.on("data", (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString("utf8");
}

/** A word for the host's shell. */
export function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}
