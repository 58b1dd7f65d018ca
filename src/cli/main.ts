/** The CLI personality: builds the context from this process, runs one command, and ends the process. */

import type { Context, Daemon, Interrupt } from "./context.ts";
import { isBrokenPipe } from "./guest/streams.ts";
import { interrupts, statusOf } from "./interrupts.ts";
import { escapeText } from "./output/escape.ts";
import { styleFor } from "./output/style.ts";
import { runCli } from "./run-cli.ts";
import { processTerminal } from "./terminal.ts";

/** Never returns: the process ends with the command's status once its output is written. */
export async function main(words: readonly string[]): Promise<never> {
  const status = await runCli(words, processContext());
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(status);
}

function processContext(): Context {
  const { env, stdout, stderr } = process;
  const tty = processTerminal(env);
  const controller = new AbortController();
  const { signal } = controller;
  // A reader that has gone is no failure of a command that prints: it ends as it would have, unread.
  stdout.on("error", (error) => fatalUnlessBrokenPipe(error));
  stderr.on("error", (error) => fatalUnlessBrokenPipe(error));
  const paths = once(async () => (await import("../config/paths.ts")).userPaths(env));
  const client = once(async (): Promise<Daemon> => {
    const { ensureDaemon } = await import("../rpc/ensure-daemon.ts");
    return ensureDaemon({ signal });
  });
  return {
    client,
    runningClient: async () => {
      const { connectIfRunning } = await import("../rpc/ensure-daemon.ts");
      return connectIfRunning({ signal });
    },
    paths: () => paths(),
    openWorkspace: async (path, options) =>
      (await import("./run/open-workspace.ts")).openWorkspace({ cwd: process.cwd(), signal }, path, options),
    get stdin() {
      return process.stdin;
    },
    stdout,
    stderr,
    out: (line) => void stdout.write(`${line}\n`),
    err: (line) => void stderr.write(`${line}\n`),
    style: styleFor(tty.stderr, env),
    tty,
    signal,
    takeInterrupts: interruptTaker(controller),
    env,
    cwd: process.cwd(),
    now: () => performance.now(),
    today: () => new Date(),
    every: (ms, tick) => {
      const timer = setInterval(tick, ms);
      timer.unref();
      return () => clearInterval(timer);
    },
    self: selfCommand(),
  };
}

/** Interrupts go to whoever took them last; else the first aborts the command and the second ends the process. */
function interruptTaker(controller: AbortController): Context["takeInterrupts"] {
  const takers: ((name: Interrupt) => void)[] = [];
  for (const name of interrupts) {
    process.on(name, () => {
      const taker = takers.at(-1);
      if (taker !== undefined) taker(name);
      else if (controller.signal.aborted) process.exit(statusOf(name));
      else controller.abort(name);
    });
  }
  return (handler) => {
    takers.push(handler);
    return () => {
      const index = takers.indexOf(handler);
      if (index >= 0) takers.splice(index, 1);
    };
  };
}

/** Compiled, the executable is banger; from source it is Bun, and banger is its script. */
function selfCommand(): string[] {
  return Bun.main.startsWith("/$bunfs/") ? [process.execPath] : [process.execPath, Bun.main];
}

function fatalUnlessBrokenPipe(error: Error): void {
  if (isBrokenPipe(error)) return;
  process.stderr.write(`banger: output failed: ${escapeText(error.message)}\n`);
  process.exit(1);
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve();
    else stream.write("", () => resolve());
  });
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
