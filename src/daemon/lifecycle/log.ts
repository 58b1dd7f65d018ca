/** The daemon's log: one JSON object a line, appended, turned over when it has grown. */
import { closeSync, constants, fstatSync, openSync, renameSync, writeSync } from "node:fs";

export type Level = "debug" | "info" | "warn" | "error";
const levels: readonly Level[] = ["debug", "info", "warn", "error"];
const maxBytes = 16 * 1024 * 1024;

export interface Logger {
  debug(message: string, facts?: Record<string, unknown>): void;
  info(message: string, facts?: Record<string, unknown>): void;
  warn(message: string, facts?: Record<string, unknown>): void;
  error(message: string, facts?: Record<string, unknown>): void;
  /** From now on nothing below this level is written. */
  setLevel(level: Level): void;
}

export function openLog(path: string, level: Level = "info"): Logger {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NOFOLLOW;
  let fd = openSync(path, flags, 0o600);
  let least = levels.indexOf(level);
  let written = fstatSync(fd).size;
  const write = (at: Level, message: string, facts: Record<string, unknown> = {}) => {
    if (levels.indexOf(at) < least) return;
    const line = `${JSON.stringify({ time: new Date().toISOString(), level: at, message, ...facts })}\n`;
    try {
      if (written > maxBytes) {
        closeSync(fd);
        renameSync(path, `${path}.1`);
        fd = openSync(path, flags, 0o600);
        written = 0;
      }
      written += writeSync(fd, line);
    } catch {
      // A full disk must not take the daemon down; the next line that fits is written.
    }
  };
  return {
    debug: (message, facts) => write("debug", message, facts),
    info: (message, facts) => write("info", message, facts),
    warn: (message, facts) => write("warn", message, facts),
    error: (message, facts) => write("error", message, facts),
    setLevel: (next) => {
      least = levels.indexOf(next);
    },
  };
}

/** The level that BANGER_LOG_LEVEL asks for, if it names one. */
export function levelFrom(value: string | undefined): Level | undefined {
  return levels.find((level) => level === value);
}
