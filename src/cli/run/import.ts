/** Sends a repository into a guest that may still be booting. */
import type { Context, Daemon } from "../context.ts";
import { sendTar } from "../guest/send-tar.ts";
import type { Progress } from "../output/progress.ts";
import type { WorkspaceSource } from "./workspace.ts";

export { PackFailed } from "../guest/send-tar.ts";

export async function importWorkspace(
  client: Daemon,
  ref: string,
  source: WorkspaceSource,
  options: { signal: AbortSignal; progress: Progress; now: Context["now"] },
): Promise<void> {
  const { signal, progress, now } = options;
  const began = now();
  let sent = 0;
  await sendTar(client, {
    signal,
    tar: source.tar,
    onBytes: (bytes) => {
      sent += bytes;
      progress.event({ kind: "stage", stage: "import", status: "progress", done: sent, unit: "bytes" });
    },
    onEvent: (event) => progress.event(event),
    call: (on) => client.call("workspace.import", { ref, workspace: source.workspace }, on),
  });
  progress.event({ kind: "stage", stage: "import", status: "done", ms: now() - began });
}
