/** This process as a command's context: its streams, its terminal, its signals. */

import type { Readable } from "node:stream";
import { callableName } from "../config/installed.ts";
import type { Context, Daemon, Interrupt, Paths } from "./context.ts";
import { interrupts, statusOf } from "./interrupts.ts";
import { wrapNotice } from "./output/notice.ts";
import { styleFor } from "./output/style.ts";
import { processOutput } from "./process-output.ts";
import { openStdin } from "./stdin.ts";
import { processTerminal } from "./terminal.ts";

/** How this process gets at a daemon: the real one, or a test's. */
export interface DaemonAccess {
  client(signal: AbortSignal): Promise<Daemon>;
  running(signal: AbortSignal): Promise<Daemon | undefined>;
  paths(): Promise<Paths>;
}

/** The context that is this very process. */
export function processContext(daemon: DaemonAccess): Context {
  const { env } = process;
  const tty = processTerminal(env);
  const controller = new AbortController();
  const { signal } = controller;
  const client = once(() => daemon.client(signal));
  const err = (line: string) => void processOutput.stderr.write(`${wrapNotice(line, tty)}\n`);
  let stdin: Readable | undefined;
  return {
    client,
    runningClient: () => daemon.running(signal),
    paths: () => daemon.paths(),
    examine: async () => (await import("../doctor/doctor.ts")).examine(env, signal),
    runProgram: async (command) => {
      const [program = "", ...words] =
        command[0] === "banger" ? [...selfCommand(), ...command.slice(1)] : command;
      return Bun.spawn([program, ...words], { stdio: ["ignore", 2, 2], env }).exited;
    },
    system: async (asRoot, say) =>
      (await import("./system/this-host.ts")).systemOf({ asRoot, self: selfCommand(), say }),
    update: async (request, asRoot, told) =>
      (await import("./system/this-update.ts")).updateThis(request, {
        ...told,
        ...{ asRoot, self: selfCommand(), env, signal },
      }),
    openWorkspace: async (path, options) =>
      (await import("./run/open-workspace.ts")).openWorkspace({ cwd: process.cwd(), signal }, path, options),
    get stdin() {
      stdin ??= openStdin();
      return stdin;
    },
    get stdout() {
      return processOutput.stdout;
    },
    get stderr() {
      return processOutput.stderr;
    },
    out: (line) => void processOutput.stdout.write(`${line}\n`),
    err,
    note: err,
    verbosity: "normal",
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

/** Compiled, the executable is banger, by the name that outlives an update; from source it is Bun, and banger is its script. */
function selfCommand(): string[] {
  return Bun.main.startsWith("/$bunfs/") ? [callableName(process.execPath)] : [process.execPath, Bun.main];
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}
