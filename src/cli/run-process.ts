/** One command as a whole process: its output is written before it ends with its status. */
import { type DaemonAccess, processContext } from "./process-context.ts";
import { outputWritten } from "./process-output.ts";
import { runCli } from "./run-cli.ts";

/** Never returns. */
export async function runProcess(words: readonly string[], daemon: DaemonAccess): Promise<never> {
  // Should the event loop ever run dry before the command has ended, that is no success.
  process.exitCode = 1;
  const status = await runCli(words, processContext(daemon));
  await outputWritten();
  process.exit(status);
}
