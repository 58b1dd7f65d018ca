/** A file or a tree of a guest, as the archive that the guest makes of it. */
import { BangerError } from "../../base/base.ts";
import type { Context, Daemon } from "../context.ts";
import { chunksOf } from "../guest/streams.ts";
import type { GuestPlace } from "./place.ts";
import type { CopyProgress } from "./transfer-progress.ts";

/** `take` gets the archive. Of two errors that follow from each other the first is thrown. */
export async function fetchTar(
  ctx: Context,
  client: Daemon,
  { vm, path, asDirectory }: GuestPlace,
  progress: CopyProgress,
  take: (tar: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  let taking: Promise<void> = Promise.resolve();
  const call = client.call(
    "guest.pull",
    { ref: vm.id, path: asDirectory ? `${path === "/" ? "" : path}/.` : path },
    {
      signal: ctx.signal,
      onEvent: (event) => {
        if (event.kind !== "tickets") progress.event(event);
        else taking = takeFrom(client, event.stdio, take);
        taking.catch(() => {});
      },
    },
  );
  const told = await Promise.allSettled([call]);
  const taken = await Promise.allSettled([taking]);
  if (ctx.signal.aborted) throw new BangerError("cancelled", "cancelled");
  const here = taken[0].status === "rejected" ? taken[0].reason : undefined;
  // An archive that ends too early has its reason in the guest.
  const guests = !(here instanceof BangerError) || here.code === "corrupt";
  if (told[0].status === "rejected" && guests) throw told[0].reason;
  if (here !== undefined) throw here;
}

async function takeFrom(
  client: Daemon,
  ticket: string,
  take: (tar: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const socket = await client.stream(ticket);
  try {
    await take(chunksOf(socket));
  } finally {
    // The daemon stops sending what nobody wants any more.
    socket.destroy();
  }
}
