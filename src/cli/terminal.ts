/** This process's terminal. Raw mode is undone when the process ends, however it does. */
import { isatty } from "node:tty";
import type { Terminal } from "./context.ts";

export function processTerminal(env: Record<string, string | undefined>): Terminal {
  let raw = false;
  const setRaw = (on: boolean) => {
    if (raw === on || !isatty(0)) return;
    process.stdin.setRawMode(on);
    raw = on;
    if (on) stopOutputProcessing();
  };
  process.on("exit", () => setRaw(false));
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
    onResize: (listener) => {
      // The stream hears of its size by a listener of its own, made with it: only if that comes first is the size the new one.
      screen();
      process.on("SIGWINCH", listener);
      return () => void process.off("SIGWINCH", listener);
    },
  };
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
