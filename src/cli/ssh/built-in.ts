/**
 * ssh without an ssh program: ssh2 in-process, over a stream to the guest's port 22. Loaded only when it is needed.
 * The host key must be the one that banger pinned; options for OpenSSH mean nothing here and are refused.
 */
import { readFile } from "node:fs/promises";
import { Client, type ClientChannel, type ConnectConfig, utils } from "ssh2";
import { BangerError } from "../../base/base.ts";
import type { Result } from "../../rpc/contract.ts";
import type { Context, Daemon } from "../context.ts";
import { connectGuest } from "../guest/connect.ts";
import { chunksOf, copyOut, feed } from "../guest/streams.ts";
import { statusOf } from "../interrupts.ts";

type Access = Result<"vm.ssh">;

export async function runBuiltInSsh(
  ctx: Context,
  client: Daemon,
  access: Access,
  rest: readonly string[],
): Promise<number> {
  if (rest[0]?.startsWith("-") === true) {
    throw new BangerError("host_missing", `option ${rest[0]} needs an OpenSSH client, and there is none`, {
      hint: "install one: apt install openssh-client",
    });
  }
  const pinned = pinnedKeys(await readFile(access.knownHostsFile, "utf8"), access.hostAlias);
  const privateKey = await readFile(access.identityFile);
  const sock = await connectGuest(ctx, client, access.vm.id, 22);
  const ssh = new Client();
  const leave = new AbortController();
  let status: number | undefined;
  const release = ctx.takeInterrupts((name) => {
    status = statusOf(name);
    leave.abort();
    ssh.end();
  });
  try {
    await connected(ssh, {
      sock,
      username: access.user,
      privateKey,
      hostVerifier: (key: Buffer) => pinned.some((pin) => pin.equals(key)),
      authHandler: ["publickey"],
    });
    const opened = await open(ctx, ssh, rest);
    const ended = await attached(ctx, opened, rest.length === 0 && onTerminal(ctx), leave.signal);
    return status ?? ended;
  } finally {
    release();
    ssh.end();
    sock.destroy();
  }
}

/** The keys that known_hosts pins under `alias`, in their wire form. */
export function pinnedKeys(knownHosts: string, alias: string): Buffer[] {
  return knownHosts.split("\n").flatMap((line) => {
    const [names = "", type, key] = line.trim().split(/\s+/);
    if (type === undefined || key === undefined || names.startsWith("#") || names.startsWith("@")) return [];
    if (!names.split(",").includes(alias)) return [];
    const parsed = utils.parseKey(`${type} ${key}`);
    return parsed instanceof Error ? [] : [parsed.getPublicSSH()];
  });
}

function connected(ssh: Client, config: ConnectConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    ssh.once("ready", resolve);
    ssh.on("error", (error) => {
      const mismatch = /host/i.test(error.message) && /verif|denied/i.test(error.message);
      reject(
        mismatch
          ? new BangerError(
              "denied",
              "the guest's host key is not the one banger gave it: somebody may be in between",
              {
                cause: error,
              },
            )
          : new BangerError("unavailable", `ssh failed: ${error.message}`, { cause: error }),
      );
    });
    ssh.connect(config);
  });
}

interface Opened {
  channel: ClientChannel;
  exit: PromiseWithResolvers<number>;
}

function open(ctx: Context, ssh: Client, rest: readonly string[]): Promise<Opened> {
  const { columns, rows } = ctx.tty.size();
  const pty = { cols: columns, rows, term: ctx.env.TERM ?? "xterm-256color" };
  return new Promise((resolve, reject) => {
    const done = (error: Error | undefined, channel: ClientChannel) => {
      if (error !== undefined) return reject(new BangerError("unavailable", error.message, { cause: error }));
      // Here and not later: the exit may come in the same packet as the answer.
      const exit = Promise.withResolvers<number>();
      channel.on("exit", (code: number | null) => exit.resolve(code ?? 255));
      channel.on("close", () => exit.resolve(255));
      resolve({ channel, exit });
    };
    if (rest.length > 0) ssh.exec(rest.join(" "), done);
    else ssh.shell(onTerminal(ctx) ? pty : false, done);
  });
}

/** Joins our streams to the channel's until it closes; the answer is the remote status. */
async function attached(
  ctx: Context,
  { channel, exit }: Opened,
  tty: boolean,
  left: AbortSignal,
): Promise<number> {
  left.addEventListener("abort", () => exit.resolve(255), { once: true });
  if (tty) ctx.tty.setRaw(true);
  const stopFeeding = feed(ctx.stdin, channel);
  const offResize = ctx.tty.onResize(() => {
    const { columns, rows } = ctx.tty.size();
    channel.setWindow(rows, columns, 0, 0);
  });
  try {
    const copies = Promise.all([
      copyOut(chunksOf(channel), () => ctx.stdout),
      copyOut(chunksOf(channel.stderr), () => ctx.stderr),
    ]);
    copies.catch(() => channel.close());
    const status = await exit.promise;
    // What was written before the exit still comes; what broke our output has been dealt with above.
    if (!left.aborted) await copies.catch(() => {});
    return status;
  } finally {
    offResize();
    stopFeeding();
    if (tty) ctx.tty.setRaw(false);
  }
}

function onTerminal(ctx: Context): boolean {
  return ctx.tty.stdin && ctx.tty.stdout;
}
