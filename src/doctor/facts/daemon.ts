/** What the daemon says, if one runs: none is started, and nothing is asked that would change anything. */
import { existsSync, readFileSync } from "node:fs";
import { askIfThere } from "../../rpc/ask.ts";
import type { DaemonStatus, Vm } from "../../rpc/contract.ts";
import type { Place } from "../place.ts";

export interface DaemonFacts {
  answer: { status: DaemonStatus; vms: readonly Vm[] } | undefined;
  /** A socket's file is there, whoever listens. */
  socketThere: boolean;
  /** What the last one that could not start has said. */
  startError: { message: string; hint: string | undefined } | undefined;
}

export async function askDaemon({ paths }: Place, signal: AbortSignal): Promise<DaemonFacts> {
  const answer = await askIfThere(paths.socket, async (client) => {
    const [status, vms] = await Promise.all([
      client.call("daemon.status", {}, { signal }),
      client.call("vm.list", {}, { signal }),
    ]);
    return { status, vms };
  });
  return {
    answer,
    socketThere: existsSync(paths.socket),
    startError: answer === undefined ? readStartError(paths.startError) : undefined,
  };
}

function readStartError(path: string): DaemonFacts["startError"] {
  try {
    const said: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof said !== "object" || said === null || !("message" in said)) return undefined;
    const hint = "hint" in said && typeof said.hint === "string" ? said.hint : undefined;
    return { message: String(said.message), hint };
  } catch {
    // There is none: the last start went well.
    return undefined;
  }
}
