/**
 * One ssh connection to one guest, for one operation: so a reader that does not read holds up its own connection by the
 * stream's backpressure, and nothing else; and sshd's limit of ten sessions per connection does not matter.
 *
 * ssh2 trusts a server more than banger trusts a guest, hence what is checked here (ssh2 1.17.0, lib/Channel.js):
 * - it buffers what comes beyond a channel's window: so channels always flow, and the stream is paused in their place;
 * - a maximum packet size of 0 makes it write for ever; a window of 4 GiB makes it buffer as much;
 * - it answers all that it is asked, read or not, and keeps a closure for each host key it is told of;
 * - it unpacks zlib without a bound, and takes any kind of host key: neither is offered.
 */
import type { Duplex } from "node:stream";
import type { Client, ClientChannel, ConnectConfig } from "ssh2";
import { BangerError } from "../base/base.ts";
import { abortable } from "./abort.ts";
import { Liveness, type LivenessLimits, usualLimits } from "./liveness.ts";
import { pinnedKey, type SshTarget } from "./ssh-target.ts";

/** Bytes for the guest that may wait here, beside what one write has: more of them are answers that it never reads. */
const maxUnreadBytes = 1 << 20;
/** Every server takes packets of 32 KiB (RFC 4253, 6.1). */
const minPacketBytes = 1024;
const maxQuestions = 64;

export interface SshTerminal {
  columns: number;
  rows: number;
  term: string;
}

/** Throws denied when the guest has another host key, unavailable when nobody answers or lets us in. */
export async function connectSsh(
  target: SshTarget,
  signal: AbortSignal,
  limits: LivenessLimits = usualLimits,
): Promise<SshConnection> {
  // Loaded here: it is large, and hardly any daemon needs it.
  const [{ default: ssh2 }, key, privateKey] = await Promise.all([
    import("ssh2"),
    target.hostKey(),
    target.privateKey(),
  ]);
  const pinned = pinnedKey(key);
  const dialled = target.dial(signal);
  // One that comes when nobody waits any more is not kept.
  dialled.then((late) => signal.aborted && late.destroy()).catch(() => {});
  const stream = await abortable(dialled, signal);
  const connection = new SshConnection(new ssh2.Client(), stream, limits);
  try {
    await connection.begin(
      {
        sock: stream as ConnectConfig["sock"] & Duplex,
        username: target.user,
        privateKey,
        authHandler: ["publickey"],
        algorithms: { serverHostKey: [pinned.type], compress: ["none"] },
        // The caller's signal is the limit.
        readyTimeout: 0,
      },
      pinned.blob,
      signal,
    );
    return connection;
  } catch (error) {
    connection.end();
    throw error;
  }
}

export class SshConnection {
  readonly lost: Promise<BangerError>;
  readonly #lost = Promise.withResolvers<BangerError>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #liveness: Liveness;
  #over: BangerError | undefined;
  #held = false;

  constructor(
    private readonly client: Client,
    private readonly stream: Duplex,
    limits: LivenessLimits,
  ) {
    this.lost = this.#lost.promise;
    this.#ready.promise.catch(() => {});
    this.#liveness = new Liveness(limits, {
      // Any question does: every sshd refuses to take back a forwarding that was never asked for.
      ask: () => void client.unforwardIn("127.0.0.1", 1, () => {}),
      lost: () => this.fail(new BangerError("unavailable", "the guest's sshd does not answer any more")),
      expected: () => !this.#held && this.#over === undefined,
    });
    client.on("ready", () => this.#ready.resolve());
    client.on("error", (error) =>
      this.fail(new BangerError("unavailable", `ssh failed: ${harmless(error.message)}`, { cause: error })),
    );
    client.on("close", () =>
      this.fail(new BangerError("guest_failed", "the guest closed the ssh connection")),
    );
  }

  async begin(config: ConnectConfig, pinned: Buffer, signal: AbortSignal): Promise<void> {
    this.client.connect({
      ...config,
      hostVerifier: (key: Buffer) => {
        if (key.equals(pinned)) return true;
        this.fail(
          new BangerError(
            "denied",
            "the guest's host key is not the one that banger gave it: something else may answer in its place",
            { hint: "look at the guest's console: banger vm logs; boot it anew: banger vm restart" },
          ),
        );
        return false;
      },
    });
    this.stream.on("data", () => this.#guard());
    // A guest that ends its side has said everything.
    this.stream.on("end", () =>
      this.fail(new BangerError("guest_failed", "the guest closed the ssh connection")),
    );
    await abortable(this.#ready.promise, signal);
    this.#liveness.start();
  }

  #guard(): void {
    this.#liveness.heard();
    const { _callbacks: questions } = this.client as unknown as { _callbacks?: unknown[] };
    if (this.stream.writableLength > maxUnreadBytes || (questions?.length ?? 0) > maxQuestions) {
      this.fail(new BangerError("guest_failed", "the guest's sshd floods this side with questions"));
    }
  }

  /** A session channel on which the line runs. */
  exec(line: string, tty?: SshTerminal): Promise<ClientChannel> {
    const pty = tty && { cols: tty.columns, rows: tty.rows, term: tty.term };
    return this.#open((done) => this.client.exec(line, pty === undefined ? {} : { pty }, done));
  }

  /** A stream to what listens in the guest. Throws unavailable with sshd's words. */
  forward(to: { port: number; host: string } | { path: string }): Promise<ClientChannel> {
    return this.#open((done) =>
      "path" in to
        ? this.client.openssh_forwardOutStreamLocal(to.path, done)
        : this.client.forwardOut("127.0.0.1", 0, to.host, to.port, done),
    );
  }

  async #open(
    ask: (done: (error: Error | undefined, channel: ClientChannel) => void) => void,
  ): Promise<ClientChannel> {
    if (this.#over !== undefined) throw this.#over;
    const opened = Promise.withResolvers<ClientChannel>();
    void this.lost.then((error) => opened.reject(error));
    ask((error, channel) => {
      if (error !== undefined) {
        // What sshd says in words, without ssh2's heading.
        const why = harmless(error.message.replace(/^\(SSH\) Channel open failure: /, ""));
        opened.reject(new BangerError("unavailable", why || "refused", { cause: error }));
        return;
      }
      const { packetSize } = channel.outgoing as { packetSize?: number };
      if (!(typeof packetSize === "number" && packetSize >= minPacketBytes)) {
        this.fail(new BangerError("guest_failed", "the guest's sshd takes no packets of a sensible size"));
        return;
      }
      opened.resolve(channel);
    });
    return opened.promise;
  }

  /** Takes nothing more from the guest until it is released. */
  hold(): void {
    if (this.#held) return;
    this.#held = true;
    this.stream.pause();
  }

  get held(): boolean {
    return this.#held;
  }

  release(): void {
    if (!this.#held || this.#over !== undefined) return;
    this.#held = false;
    this.stream.resume();
    // What was not looked at meanwhile was not silence.
    this.#liveness.stop();
    this.#liveness.start();
  }

  /** Resolves when little enough of what was written waits here. */
  async drained(): Promise<void> {
    if (!this.stream.writableNeedDrain || this.#over !== undefined) return;
    const drain = Promise.withResolvers<void>();
    this.stream.once("drain", drain.resolve);
    await Promise.race([drain.promise, this.lost]);
  }

  end(): void {
    this.fail(new BangerError("guest_failed", "the ssh session was closed"));
  }

  fail(error: BangerError): void {
    if (this.#over !== undefined) return;
    this.#over = error;
    this.#liveness.stop();
    this.#ready.reject(error);
    this.#lost.resolve(error);
    // An orderly goodbye, for which nobody waits: a guest that does not read keeps no memory here.
    this.client.end();
    this.stream.destroy();
  }
}

/** A guest may say anything: what goes to a terminal has no control characters, and an end. */
export function harmless(text: string): string {
  return text
    .replaceAll(/[^\x20-\x7e\u00a0-\uffff]+/g, " ")
    .trim()
    .slice(0, 2000);
}
