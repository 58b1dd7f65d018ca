/** From one guest into another, by way of this process and no disk of this host. */
import { posix } from "node:path";
import { toBangerError } from "../../base/base.ts";
import { relayTar } from "../../trees/trees.ts";
import type { Context, Daemon } from "../context.ts";
import { PackFailed, sendTar } from "../guest/send-tar.ts";
import { fetchTar } from "./fetch-tar.ts";
import { guestDestination } from "./into-guest.ts";
import { type GuestPlace, missingInGuest } from "./place.ts";
import type { CopyProgress } from "./transfer-progress.ts";

export async function copyBetweenGuests(
  ctx: Context,
  client: Daemon,
  { from, to }: { from: GuestPlace; to: GuestPlace },
  progress: CopyProgress,
): Promise<void> {
  const { signal } = ctx;
  const { kind } = await client.call("guest.kind", { ref: from.vm.id, path: from.path }, { signal });
  // A link that leads nowhere is a thing to copy, too: its own guest says whether there is none.
  if (kind === "missing" && from.asDirectory) throw missingInGuest(from, "directory ");
  const source = { name: from.content ? "" : posix.basename(from.path), isDirectory: kind === "directory" };
  const { root, name } = await guestDestination(ctx, client, source, to);
  await fetchTar(ctx, client, from, progress, async (archive) => {
    const tar = relayTar(archive, {
      name,
      onBytes: (count) => progress.add(count),
      warn: (message) => progress.warn(message),
    });
    try {
      const sent = await sendTar(client, {
        ...{ tar, signal, onEvent: (event) => progress.event(event) },
        call: (on) => client.call("guest.push", { ref: to.vm.id, path: root }, on),
      });
      progress.done(sent.files);
    } catch (error) {
      throw error instanceof PackFailed ? toBangerError(error.cause) : error;
    }
  });
}
