/** This process's terminal. Raw mode is undone when the process ends, however it does. */
import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import type { Terminal } from "./context.ts";
import { escapeText } from "./output/escape.ts";

export function processTerminal(env: Record<string, string | undefined>): Terminal {
  let raw = false;
  const setRaw = (on: boolean) => {
    if (raw === on || !isatty(0)) return;
    process.stdin.setRawMode(on);
    raw = on;
    if (on) stopOutputProcessing();
  };
  let inScreen = false;
  const giveBack = () => {
    setRaw(false);
    if (inScreen) writeNow(leaveScreen);
    inScreen = false;
  };
  process.on("exit", giveBack);
  /** What is said of a bug must not go with the screen; and Bun (1.4.5) goes on after one while a module is awaited. */
  const onBug = (error: unknown) => {
    giveBack();
    const said = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`banger: ${escapeText(said)}\n`);
    process.exit(1);
  };
  return {
    stdin: isatty(0),
    stdout: isatty(1),
    stderr: isatty(2),
    size: () => {
      const { columns, rows } = screen();
      return {
        columns: clamp(columns, env.COLUMNS, 80),
        rows: clamp(rows, env.LINES, 24),
      };
    },
    setRaw,
    setScreen: (on) => {
      if (inScreen === on || !isatty(1)) return;
      inScreen = on;
      for (const bug of ["uncaughtException", "unhandledRejection"] as const)
        process[on ? "on" : "off"](bug, onBug);
      // Behind what was drawn before, which may still be on its way.
      process.stdout.write(on ? enterScreen : leaveScreen);
    },
    onStop,
    onResize: (listener) => {
      // The stream hears of its size by a listener of its own, made with it: only if that comes first is the size the new one.
      screen();
      process.on("SIGWINCH", listener);
      return () => void process.off("SIGWINCH", listener);
    },
  };
}

/** xterm's 1049 keeps what was on the screen before; 25 is the cursor, 7 wrapping. */
const enterScreen = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J";
const leaveScreen = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/** A process that no shell looks after is not stopped by SIGTSTP: it goes on after this. In ms. */
const notStoppedMs = 50;

function onStop(give: () => void, take: () => void): { stop(): void; forget(): void } {
  let going = true;
  const stop = () => {
    give();
    // Without a listener the signal does what it does to everybody.
    process.off("SIGTSTP", stop);
    process.stdout.write("", () => {
      process.kill(process.pid, "SIGTSTP");
      setTimeout(() => {
        if (!going) return;
        process.on("SIGTSTP", stop);
        take();
      }, notStoppedMs);
    });
  };
  process.on("SIGTSTP", stop);
  process.on("SIGCONT", take);
  return {
    stop,
    forget: () => {
      going = false;
      process.off("SIGTSTP", stop);
      process.off("SIGCONT", take);
    },
  };
}

/** At the process's end nothing is written later. */
function writeNow(text: string): void {
  try {
    writeSync(1, text);
  } catch {
    // The terminal has been hung up.
  }
}

function screen() {
  return process.stdout.isTTY ? process.stdout : process.stderr;
}

/**
 * Raw mode of Node's kind leaves OPOST and ONLCR on: each "\n" of the guest would become "\r\n" once more, which breaks
 * programs that move the cursor down with it. Leaving raw mode restores all settings, this one too.
 */
function stopOutputProcessing(): void {
  Bun.spawnSync(["stty", "-opost"], { stdio: ["inherit", "ignore", "ignore"] });
}

/** A terminal may say 0 (a fresh PTY does) or nothing. */
function clamp(said: number | undefined, fromEnv: string | undefined, fallback: number): number {
  const value = said !== undefined && said > 0 ? said : Number(fromEnv);
  return Number.isInteger(value) && value > 0 ? Math.min(value, 65535) : fallback;
}
