/** Sends an archive that is being made into a guest. */
import { BangerError } from "../../base/base.ts";
import type { TransferEvent } from "../../rpc/contract.ts";
import type { Daemon } from "../context.ts";
import { copyOut } from "./streams.ts";

/** The archive could not be made on this side: its source is at fault, not the guest. */
export class PackFailed extends Error {
  constructor(override readonly cause: unknown) {
    super("the archive could not be made");
  }
}

export interface Sending<T> {
  tar: AsyncIterable<Uint8Array>;
  /** Told of the archive's bytes that are on their way. */
  onBytes?: (count: number) => void;
  onEvent: (event: TransferEvent) => void;
  signal: AbortSignal;
  /** The call that gives a ticket for the archive. */
  call(options: { signal: AbortSignal; onEvent: (event: TransferEvent) => void }): Promise<T>;
}

export async function sendTar<T>(client: Daemon, sending: Sending<T>): Promise<T> {
  const stop = new AbortController();
  const signal = AbortSignal.any([sending.signal, stop.signal]);
  const packFailed = Promise.withResolvers<never>();
  packFailed.promise.catch(() => {});
  const open: { destroy(): void }[] = [];
  const send = async (ticket: string) => {
    const socket = await client.stream(ticket);
    open.push(socket);
    // A guest that stops reading says why through the call; the socket's own error adds nothing.
    socket.on("error", () => {});
    socket.resume();
    try {
      await copyOut(guardSource(sending.tar), () => socket, sending.onBytes);
      socket.end();
    } catch (error) {
      if (error instanceof PackFailed) packFailed.reject(error);
    }
  };
  const call = sending.call({
    signal,
    onEvent: (event) => {
      if (event.kind === "tickets") send(event.stdio).catch(packFailed.reject);
      else sending.onEvent(event);
    },
  });
  call.catch(() => {});
  try {
    return await Promise.race([call, packFailed.promise]);
  } catch (error) {
    stop.abort();
    // Wait until the daemon has let go, so that whoever removes the VM next finds nobody in it.
    await call.catch(() => {});
    if (sending.signal.aborted) throw new BangerError("cancelled", "cancelled");
    throw error;
  } finally {
    for (const stream of open) stream.destroy();
  }
}

/** The same chunks; an error of the source is marked as the source's. */
async function* guardSource(tar: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* tar;
  } catch (error) {
    throw new PackFailed(error);
  }
}
