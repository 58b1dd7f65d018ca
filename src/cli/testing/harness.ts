/** Runs banger's CLI in-process, with a fake daemon and streams that remember. Only for tests. */
import { Readable, Writable } from "node:stream";
import type { Report } from "../../doctor/doctor.ts";
import type { Told, Updated, UpdateRequest } from "../../update/update.ts";
import type { Context, Daemon, Interrupt, System } from "../context.ts";
import { wrapNotice } from "../output/notice.ts";
import { styleFor } from "../output/style.ts";
import type { WorkspaceSource } from "../run/workspace.ts";
import { runCli } from "../run-cli.ts";
import type { FakeDaemon } from "./fake-daemon.ts";

export interface Options {
  daemon?: FakeDaemon;
  stdin?: string | Readable;
  tty?: { stdin?: boolean; stdout?: boolean; stderr?: boolean };
  env?: Record<string, string | undefined>;
  workspace?: () => Promise<WorkspaceSource>;
  /** Gets the line that does it as root. */
  system?: (asRoot: string) => System;
  examine?: () => Promise<Report>;
  /** Gets the line that does it as root, and who is told of what goes on. */
  update?: (request: UpdateRequest, asRoot: string, told: Told) => Promise<Updated>;
  /** What ends with which status. */
  runProgram?: (command: readonly string[]) => number;
  stdout?: Writable;
  /** Told of each write to stdout. */
  onOut?: (text: string) => void;
}

export interface Session {
  ctx: Context;
  /** As a signal from outside. */
  interrupt(name: Interrupt): void;
  /** Moves the clock and fires what `every` has waiting. */
  advance(ms: number): void;
  resize(columns: number, rows: number): void;
  out(): string;
  err(): string;
  bytesOut(): Buffer;
  raw: boolean[];
}

export function session(options: Options = {}): Session {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const sink = (chunks: Buffer[], heard?: (text: string) => void) =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        chunks.push(Buffer.from(chunk));
        heard?.(chunk.toString());
        done();
      },
    });
  const stdout = options.stdout ?? sink(out, options.onOut);
  const stderr = sink(err);
  const controller = new AbortController();
  const takers: ((name: Interrupt) => void)[] = [];
  const tickers = new Set<{ ms: number; due: number; tick: () => void }>();
  const resizers = new Set<() => void>();
  const raw: boolean[] = [];
  let clock = 0;
  let size = { columns: 80, rows: 24 };
  const tty = { stdin: false, stdout: false, stderr: false, ...options.tty };
  const terminal = { stderr: tty.stderr, size: () => size };
  const { daemon } = options;
  const ctx: Context = {
    client: async () => {
      if (daemon === undefined) throw new Error("this command must not need the daemon");
      return daemon;
    },
    runningClient: async (): Promise<Daemon | undefined> => daemon,
    paths: async () => ({
      mode: "user",
      reason: "no system installation",
      socket: "/run/user/1000/banger/bangerd.sock",
      daemonLog: "/nowhere/bangerd.log",
    }),
    examine: async () => {
      if (options.examine === undefined) throw new Error("this command must not examine the host");
      return options.examine();
    },
    runProgram: async (command) => {
      if (options.runProgram === undefined) throw new Error("this command must not run a program");
      return options.runProgram(command);
    },
    system: async (asRoot) => {
      if (options.system === undefined) throw new Error("this command must not touch the system services");
      return options.system(asRoot);
    },
    update: async (request, asRoot, told) => {
      if (options.update === undefined) throw new Error("this command must not update banger");
      return options.update(request, asRoot, told);
    },
    openWorkspace: async () => {
      if (options.workspace === undefined) throw new Error("this command must not open a repository");
      return options.workspace();
    },
    stdin:
      options.stdin instanceof Readable
        ? options.stdin
        : Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]),
    stdout,
    stderr,
    out: (line) => void stdout.write(`${line}\n`),
    err: (line) => void stderr.write(`${wrapNotice(line, terminal)}\n`),
    note: (line) => void stderr.write(`${wrapNotice(line, terminal)}\n`),
    verbosity: "normal",
    style: styleFor(tty.stderr, options.env ?? {}),
    tty: {
      ...tty,
      size: () => size,
      setRaw: (on) => void raw.push(on),
      setScreen: (on) => void stdout.write(on ? "<screen>" : "</screen>"),
      onStop: (give, take) => {
        const stop = () => {
          give();
          take();
        };
        return { stop, forget: () => {} };
      },
      onResize: (listener) => {
        resizers.add(listener);
        return () => void resizers.delete(listener);
      },
    },
    signal: controller.signal,
    takeInterrupts: (handler) => {
      takers.push(handler);
      return () => void takers.splice(takers.indexOf(handler), 1);
    },
    env: options.env ?? {},
    cwd: "/work",
    now: () => clock,
    today: () => new Date("2026-03-04T12:00:00Z"),
    every: (ms, tick) => {
      const ticker = { ms, due: clock + ms, tick };
      tickers.add(ticker);
      return () => void tickers.delete(ticker);
    },
    self: ["/usr/local/bin/banger"],
  };
  return {
    ctx,
    raw,
    interrupt: (name) => {
      const taker = takers.at(-1);
      if (taker === undefined) controller.abort(name);
      else taker(name);
    },
    advance: (ms) => {
      clock += ms;
      for (const ticker of [...tickers]) {
        if (ticker.due > clock) continue;
        ticker.due = clock + ticker.ms;
        ticker.tick();
      }
    },
    resize: (columns, rows) => {
      size = { columns, rows };
      for (const listener of resizers) listener();
    },
    out: () => Buffer.concat(out).toString(),
    err: () => Buffer.concat(err).toString(),
    bytesOut: () => Buffer.concat(out),
  };
}

/** One call of banger from its words to its status and output. */
export async function banger(
  words: readonly string[],
  options: Options = {},
): Promise<{ status: number; out: string; err: string }> {
  const run = session(options);
  const status = await runCli(words, run.ctx);
  return { status, out: run.out(), err: run.err() };
}
