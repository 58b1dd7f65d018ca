/** This process's terminal. Raw mode is undone when the process ends, however it does. */
import type { Terminal } from "./context.ts";

export function processTerminal(env: Record<string, string | undefined>): Terminal {
  let raw = false;
  const setRaw = (on: boolean) => {
    if (raw === on || !process.stdin.isTTY) return;
    process.stdin.setRawMode(on);
    raw = on;
  };
  process.on("exit", () => setRaw(false));
  return {
    stdin: process.stdin.isTTY === true,
    stdout: process.stdout.isTTY === true,
    stderr: process.stderr.isTTY === true,
    size: () => {
      const { columns, rows } = process.stdout.isTTY ? process.stdout : process.stderr;
      return {
        columns: clamp(columns, env.COLUMNS, 80),
        rows: clamp(rows, env.LINES, 24),
      };
    },
    setRaw,
    onResize: (listener) => {
      process.on("SIGWINCH", listener);
      return () => void process.off("SIGWINCH", listener);
    },
  };
}

/** A terminal may say 0 (a fresh PTY does) or nothing. */
function clamp(said: number | undefined, fromEnv: string | undefined, fallback: number): number {
  const value = said !== undefined && said > 0 ? said : Number(fromEnv);
  return Number.isInteger(value) && value > 0 ? Math.min(value, 65535) : fallback;
}
