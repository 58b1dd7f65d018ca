/** One command as a whole process: its output is written before it ends with its status. */
import { type DaemonAccess, processContext } from "./process-context.ts";
import { runCli } from "./run-cli.ts";

/** Never returns. */
export async function runProcess(words: readonly string[], daemon: DaemonAccess): Promise<never> {
  // Should the event loop ever run dry before the command has ended, that is no success.
  process.exitCode = 1;
  const status = await runCli(words, processContext(daemon));
  await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
  process.exit(status);
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve();
    // A failed write is reported only after its own callback, and this one's: process-context.ts ends the process then.
    else stream.write("", () => setImmediate(resolve));
  });
}
