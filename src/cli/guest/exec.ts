/**
 * A command in a guest with this process's stdin, stdout and stderr, the way ssh would run it.
 *
 * On a terminal (stdin and stdout both): a PTY in the guest, raw mode here, sizes follow. Else three separate streams,
 * exact to the byte. Interrupts without a PTY go to the guest's process group; who insists (three SIGINT within two
 * seconds), or sends SIGTERM or SIGHUP to a command that stays, gets away without it.
 */
import type { Duplex } from "node:stream";
import { BangerError, shellWord } from "../../base/base.ts";
import type { Events, Params } from "../../rpc/contract.ts";
import type { Context, Daemon, Interrupt } from "../context.ts";
import { escapeText } from "../output/escape.ts";
import { chunksOf, copyOut, feed, isReaderGone } from "./streams.ts";

export interface GuestCommand {
  ref: string;
  argv: readonly string[];
  cwd?: string | undefined;
  /** Undefined: the image's user, or root in a workspace. */
  user?: string | undefined;
  /** False: without the tools of the VM's workspace, for what sees to them itself. */
  tools?: false;
}

/** How it ended: the guest's own status, or the interrupt that made us leave it. */
export type ExecOutcome = { status: number } | { interrupted: Interrupt };

/** As a shell has it, and banger's agent too. */
const commandNotFound = 127;
const sigpipe = 13;
const signalNumber: Record<Interrupt, number> = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };
const insistence = { count: 3, withinMs: 2000 };

/** Runs it. Interrupts are ours from the call to the end. Throws when the command could not be run or was lost. */
export async function execInGuest(ctx: Context, client: Daemon, command: GuestCommand): Promise<ExecOutcome> {
  const outcome = await attached(ctx, client, command);
  if ("status" in outcome && outcome.status === commandNotFound) sayWhenOneWord(ctx, command.argv);
  return outcome;
}

/** "make test" in quotes is the name of one program: what was meant is the shell's. */
function sayWhenOneWord(ctx: Context, argv: readonly string[]): void {
  const [line = ""] = argv;
  if (argv.length > 1 || !/\s/.test(line.trim())) return;
  const hint = `that is one word, so one program's name; for a shell: -- sh -c ${shellWord(line)}`;
  ctx.err(`  ${ctx.style.dim("hint:")} ${escapeText(hint)}`);
}

async function attached(ctx: Context, client: Daemon, command: GuestCommand): Promise<ExecOutcome> {
  const op = crypto.randomUUID().slice(0, 8);
  const tty = ctx.tty.stdin && ctx.tty.stdout;
  const leaving = new AbortController();
  let interrupted: Interrupt | undefined;
  const leave = (name: Interrupt) => {
    interrupted ??= name;
    leaving.abort();
  };
  const signalGuest = (signal: number) => {
    // It may have ended a moment ago, and then there is nobody to signal.
    client.call("guest.signal", { op, signal }).catch(() => {});
  };
  const release = ctx.takeInterrupts(interruptHandler(ctx, tty, signalGuest, leave));
  const restore: (() => void)[] = [release];
  let attaching = Promise.resolve();
  const copies: Promise<void>[] = [];
  const sockets: Duplex[] = [];
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});

  const attach = async (tickets: Extract<Events<"guest.exec">, { kind: "tickets" }>) => {
    const [stdio, stderr] = await Promise.all([
      client.stream(tickets.stdio),
      tickets.stderr === undefined ? undefined : client.stream(tickets.stderr),
    ]);
    sockets.push(stdio, ...(stderr === undefined ? [] : [stderr]));
    const giveUpOutput = (error: unknown) => {
      if (!isReaderGone(error)) throw error;
      // Whoever read our output has gone: the command hears it the way it would without us between.
      signalGuest(sigpipe);
    };
    copies.push(copyOut(chunksOf(stdio), () => ctx.stdout).catch(giveUpOutput));
    if (stderr !== undefined) copies.push(copyOut(chunksOf(stderr), () => ctx.stderr).catch(giveUpOutput));
    for (const copy of copies) copy.catch(failed.reject);
    restore.push(feed(ctx.stdin, stdio));
  };

  try {
    if (tty) {
      ctx.tty.setRaw(true);
      restore.push(() => ctx.tty.setRaw(false));
      restore.push(
        ctx.tty.onResize(() => {
          client.call("guest.resize", { op, ...ctx.tty.size() }).catch(() => {});
        }),
      );
    }
    let waking = false;
    const call = client.call("guest.exec", paramsOf(ctx, command, tty), {
      op,
      signal: leaving.signal,
      onEvent: (event) => {
        if (event.kind === "warning") ctx.err(`${ctx.style.bold("warning:")} ${escapeText(event.message)}`);
        // A script need not know; a person who waits for seconds asks why.
        if (event.kind === "stage" && !waking && ctx.tty.stderr)
          ctx.note(`${escapeText(command.ref)} ${whyItWaits(event.stage)}`);
        waking ||= event.kind === "stage";
        if (event.kind !== "tickets") return;
        attaching = attach(event);
        attaching.catch(failed.reject);
      },
    });
    const { status } = await Promise.race([call, failed.promise]);
    // The answer may overtake the streams, which are connections of their own: the output comes whole all the same.
    const output = attaching.then(() => Promise.all(copies));
    await Promise.race([output, gone(leaving.signal)]);
    return interrupted === undefined ? { status } : { interrupted };
  } catch (error) {
    if (interrupted !== undefined) return { interrupted };
    leaving.abort();
    // What is said next begins on a line of its own, not behind the guest's prompt.
    if (tty && sockets.length > 0) restore.unshift(() => ctx.stderr.write("\r\n"));
    throw error;
  } finally {
    for (const undo of restore.reverse()) undo();
    for (const socket of sockets) socket.destroy();
  }
}

function whyItWaits(stage: string): string {
  return stage === "still_starting"
    ? "is still starting: the command waits for it, and for its workspace"
    : "was asleep: it goes on first";
}

function paramsOf(ctx: Context, command: GuestCommand, tty: boolean): Params<"guest.exec"> {
  return {
    ref: command.ref,
    argv: [...command.argv],
    ...(command.cwd === undefined ? {} : { cwd: command.cwd }),
    ...(command.user === undefined ? {} : { user: command.user }),
    ...(command.tools === undefined ? {} : { tools: command.tools }),
    ...(tty ? { tty: { ...ctx.tty.size(), term: termOf(ctx) } } : {}),
  };
}

/** TERM as it is here, when it is a name that a guest may be told. */
function termOf(ctx: Context): string {
  const term = ctx.env.TERM ?? "";
  return /^[A-Za-z0-9][A-Za-z0-9+._-]{0,63}$/.test(term) ? term : "xterm-256color";
}

function interruptHandler(
  ctx: Context,
  tty: boolean,
  signalGuest: (signal: number) => void,
  leave: (name: Interrupt) => void,
): (name: Interrupt) => void {
  const pressed: number[] = [];
  let asked: Interrupt | undefined;
  return (name) => {
    // With a PTY Ctrl-C is a byte for the guest; a signal then comes from outside and means us.
    if (tty) return leave(name);
    pressed.push(ctx.now());
    const recent = pressed.filter((at) => ctx.now() - at <= insistence.withinMs);
    if (name === "SIGINT" ? recent.length >= insistence.count : asked === name) return leave(name);
    asked = name;
    signalGuest(signalNumber[name]);
    if (name !== "SIGINT") {
      const stop = ctx.every(insistence.withinMs, () => {
        stop();
        leave(name);
      });
    }
  };
}

function gone(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const fail = () => reject(new BangerError("cancelled", "cancelled"));
    if (signal.aborted) fail();
    else signal.addEventListener("abort", fail, { once: true });
  });
}
