/** A command over ssh: its three streams, its signals, and how it ended. */
import { constants } from "node:os";
import type { Readable } from "node:stream";
import type { ClientChannel } from "ssh2";
import { BangerError } from "../base/base.ts";
import type { ExecRequest, GuestProcess } from "./guest.ts";
import { sshCommand } from "./ssh-command.ts";
import { harmless, type SshConnection } from "./ssh-connection.ts";
import { give, inputOf, outputOf } from "./ssh-streams.ts";

/** What a login shell may say before the command. */
const maxPreludeBytes = 64 * 1024;
/** A command's end is not its children's: what still comes from them is waited for as long as this. In ms. */
const quietMs = 500;
const afterMs = 10_000;
/** Everything that was on its way when the command ended: pipes, and ssh2's window of 2 MiB. */
const afterBytes = 4 << 20;
const endOfFile = "\x04";

/** Sends a signal to the process group of a process id, by a connection of its own. */
export type SendSignal = (pid: number, signal: number) => Promise<void>;

/** Runs the command and, when it is over, ends the connection. Resolves when the command is about to be executed. */
export async function execBySsh(
  connection: SshConnection,
  request: ExecRequest,
  sendSignal: SendSignal,
): Promise<GuestProcess> {
  const { line, word } = sshCommand(request);
  const channel = await connection.exec(line, request.tty);
  const process = new SshProcess(connection, channel, word, request.tty !== undefined, sendSignal);
  await process.started;
  return process;
}

class SshProcess implements GuestProcess {
  readonly stdin;
  readonly stdout: Readable;
  readonly stderr: Readable;
  readonly exit: Promise<number>;
  readonly started: Promise<void>;
  readonly #exit = Promise.withResolvers<number>();
  readonly #started = Promise.withResolvers<void>();
  readonly #stalled = new Set<Readable>();
  /** What each output has said so far that is not the command's; undefined once its first word has come. */
  readonly #preludes: [Buffer | undefined, Buffer | undefined] = [Buffer.alloc(0), Buffer.alloc(0)];
  #pid = 0;
  #status: number | undefined;
  #over = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #lateBytes = 0;
  #heardMs = 0;

  constructor(
    private readonly connection: SshConnection,
    private readonly channel: ClientChannel,
    private readonly word: string,
    tty: boolean,
    private readonly sendSignal: SendSignal,
  ) {
    this.exit = this.#exit.promise;
    this.exit.catch(() => {});
    this.started = this.#started.promise;
    this.started.catch(() => {});
    this.stdout = outputOf(connection, this.#stalled);
    this.stderr = outputOf(connection, this.#stalled);
    this.stdin = inputOf(
      connection,
      channel,
      this.exit.catch(() => {}),
      tty ? endOfFile : undefined,
    );
    if (tty) this.#preludes[1] = undefined;
    channel.on("data", (chunk: Buffer) => this.#receive(0, chunk));
    channel.stderr.on("data", (chunk: Buffer) => this.#receive(1, chunk));
    channel.on("exit", (code: number | null, signal?: string) => this.#ended(statusOf(code, signal)));
    channel.on("close", () => this.#finish());
    void connection.lost.then((error) => this.#fail(error));
  }

  #receive(output: 0 | 1, chunk: Buffer): void {
    if (this.#over) return;
    this.#heardMs = performance.now();
    if (this.#status !== undefined) {
      this.#lateBytes += chunk.length;
      if (this.#lateBytes > afterBytes) {
        this.#finish();
        return;
      }
    }
    const said = this.#preludes[output];
    const rest = said === undefined ? chunk : this.#skipPrelude(output, Buffer.concat([said, chunk]));
    if (rest.length === 0) return;
    give(this.connection, this.#stalled, output === 0 ? this.stdout : this.stderr, rest);
  }

  /** Drops what comes before the first word; returns what follows it. */
  #skipPrelude(output: 0 | 1, said: Buffer): Buffer {
    const at = said.indexOf(this.word);
    const end = at < 0 ? -1 : said.indexOf("\n", at);
    if (end < 0) {
      this.#preludes[output] = said;
      if (said.length > maxPreludeBytes) {
        this.connection.fail(
          new BangerError("guest_failed", "the guest's login shell says too much before the command"),
        );
      }
      return Buffer.alloc(0);
    }
    const pid = Number(said.toString("latin1", at + this.word.length, end));
    if (!Number.isSafeInteger(pid) || pid <= 1) {
      this.connection.fail(new BangerError("guest_failed", "the guest's shell said no process id"));
      return Buffer.alloc(0);
    }
    this.#pid = pid;
    this.#preludes[output] = undefined;
    if (this.#preludes.every((prelude) => prelude === undefined)) this.#started.resolve();
    return said.subarray(end + 1);
  }

  resize(columns: number, rows: number): void {
    if (!this.#over) this.channel.setWindow(rows, columns, 0, 0);
  }

  signal(signal: number): void {
    // It may have ended a moment ago, and then there is nobody to signal.
    if (!this.#over && this.#status === undefined) this.sendSignal(this.#pid, signal).catch(() => {});
  }

  /** sshd closes the channel when nobody holds the outputs any more, which a background child may do for ever. */
  #ended(status: number): void {
    if (this.#status !== undefined) return;
    this.#status = status;
    this.#heardMs = performance.now();
    const since = performance.now();
    this.#timer = setInterval(() => {
      const now = performance.now();
      // A reader who is slow is given all that was written, however long that takes.
      if (this.connection.held) this.#heardMs = now;
      else if (now - this.#heardMs >= quietMs || now - since >= afterMs) this.#finish();
    }, quietMs / 5);
  }

  #finish(): void {
    if (this.#over) return;
    if (this.#preludes.some((prelude) => prelude !== undefined)) {
      const said = harmless(Buffer.concat(this.#preludes.map((one) => one ?? Buffer.alloc(0))).toString());
      this.#fail(
        new BangerError(
          "guest_failed",
          `the guest's login shell did not run the command: ${said || "no reason given"}`,
        ),
      );
    } else if (this.#status === undefined) {
      this.#fail(new BangerError("guest_failed", "the guest did not say how the command ended"));
    } else {
      this.#end();
      for (const out of [this.stdout, this.stderr]) if (!out.destroyed) out.push(null);
      this.#exit.resolve(this.#status);
      this.connection.end();
    }
  }

  #fail(error: BangerError): void {
    if (this.#over) return;
    this.#end();
    for (const out of [this.stdout, this.stderr]) out.destroy(error);
    this.stdin.destroy();
    this.#started.reject(error);
    this.#exit.reject(error);
    this.connection.fail(error);
  }

  #end(): void {
    this.#over = true;
    clearInterval(this.#timer);
  }
}

const unnamedSignal = 255;

/** sshd names signals; those that it has no name for (SIGBUS) count as 255. */
function statusOf(code: number | null, signal: string | undefined): number {
  if (code !== null) return code & 0xff;
  const numbers: Readonly<Record<string, number>> = constants.signals;
  const number = signal !== undefined && Object.hasOwn(numbers, signal) ? numbers[signal] : undefined;
  return number === undefined ? unnamedSignal : 128 + number;
}
