/** Other programs, in the caller's own environment: keys, agents and remotes are set up there. */
import { spawnSync } from "node:child_process";
import { BangerError } from "../../src/base/base.ts";

export interface ToolOptions {
  input?: Uint8Array;
  /** What it says itself is shown, too; else it is only kept for an error. */
  shown?: boolean;
}

/** Its output. Throws host_missing when it is not there, operation_failed with what it said. */
export function runTool(program: string, args: readonly string[], options: ToolOptions = {}): Buffer {
  const { input, shown = false } = options;
  const { status, stdout, stderr, error } = spawnSync(program, args, {
    // Who asks for a pass phrase does so at the terminal.
    stdio: [input === undefined ? "inherit" : "pipe", "pipe", shown ? "inherit" : "pipe"],
    ...(input === undefined ? {} : { input }),
    maxBuffer: 64 * 1024 ** 2,
  });
  if (error !== undefined) {
    const missing = "code" in error && error.code === "ENOENT";
    throw new BangerError(
      missing ? "host_missing" : "operation_failed",
      missing ? `the program ${program} was not found` : `${program} could not be run: ${error.message}`,
      { hint: missing ? `install it: sudo apt install ${program}` : undefined, cause: error },
    );
  }
  if (status !== 0) {
    const said = shown
      ? ""
      : `: ${stderr.toString().trim().split("\n").slice(-3).join("; ") || "no message"}`;
    throw new BangerError(
      "operation_failed",
      `${[program, ...args].join(" ").slice(0, 300)} failed with status ${status}${said}`,
    );
  }
  return stdout;
}
