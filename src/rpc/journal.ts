/** The log of a service: one JSON object a line to stderr, which systemd puts into the journal. */
import { writeSync } from "node:fs";
import type { CallLog } from "./server.ts";

export function journal(fd = 2): CallLog {
  const write = (level: string, message: string, facts: Record<string, unknown> = {}) => {
    try {
      writeSync(fd, `${JSON.stringify({ time: new Date().toISOString(), level, message, ...facts })}\n`);
    } catch {
      // Nobody listens to the log, or its disk is full: the work goes on.
    }
  };
  return {
    // Nothing that happens here is of so little interest.
    debug: () => {},
    info: (message, facts) => write("info", message, facts),
    warn: (message, facts) => write("warn", message, facts),
    error: (message, facts) => write("error", message, facts),
  };
}
