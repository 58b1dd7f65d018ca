/** Sends a repository into a guest that may still be booting. */
import { BangerError } from "../../base/base.ts";
import type { Events } from "../../rpc/contract.ts";
import type { Context, Daemon } from "../context.ts";
import { copyOut } from "../guest/streams.ts";
import type { Progress } from "../output/progress.ts";
import type { WorkspaceSource } from "./workspace.ts";

/** The copy could not be made on this side: the repository is at fault, not the guest. */
export class PackFailed extends Error {
  constructor(override readonly cause: unknown) {
    super("the workspace could not be packed");
  }
}

export async function importWorkspace(
  client: Daemon,
  ref: string,
  source: WorkspaceSource,
  options: { signal: AbortSignal; progress: Progress; now: Context["now"] },
): Promise<void> {
  const { progress, now } = options;
  const stop = new AbortController();
  const signal = AbortSignal.any([options.signal, stop.signal]);
  const packFailed = Promise.withResolvers<never>();
  packFailed.promise.catch(() => {});
  const began = now();
  let sent = 0;
  const onChunk = (bytes: number) => {
    sent += bytes;
    progress.event({ kind: "stage", stage: "import", status: "progress", done: sent, unit: "bytes" });
  };
  const open: { destroy(): void }[] = [];
  const send = async (tickets: Extract<Events<"workspace.import">, { kind: "tickets" }>) => {
    const socket = await client.stream(tickets.stdio);
    open.push(socket);
    // A guest that stops reading says why through the call; the socket's own error adds nothing.
    socket.on("error", () => {});
    socket.resume();
    try {
      await copyOut(guardSource(source.tar), () => socket, onChunk);
      socket.end();
    } catch (error) {
      if (error instanceof PackFailed) packFailed.reject(error);
    }
  };
  const call = client.call(
    "workspace.import",
    { ref, workspace: source.workspace },
    {
      signal,
      onEvent: (event) => {
        if (event.kind === "tickets") send(event).catch(packFailed.reject);
        else progress.event(event);
      },
    },
  );
  call.catch(() => {});
  try {
    await Promise.race([call, packFailed.promise]);
  } catch (error) {
    stop.abort();
    // Wait until the daemon has let go, so that whoever removes the VM next finds nobody in it.
    await call.catch(() => {});
    if (options.signal.aborted) throw new BangerError("cancelled", "cancelled");
    throw error;
  } finally {
    for (const stream of open) stream.destroy();
  }
  progress.event({ kind: "stage", stage: "import", status: "done", ms: now() - began });
}

/** The same chunks; an error of the source is marked as the source's. */
async function* guardSource(tar: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* tar;
  } catch (error) {
    throw new PackFailed(error);
  }
}
