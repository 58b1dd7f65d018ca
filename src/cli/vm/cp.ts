/** banger vm cp */
import { BangerError } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { guestPlace, type Place, readPlace } from "../copy/place.ts";
import { CopyProgress } from "../copy/transfer-progress.ts";
import { required } from "../option.ts";
import { escapeLine } from "../output/escape.ts";

const likeArchive =
  "leave it out: directories are copied with all that is in them, with modes and times, as cp -a does";

export const command = defineCommand({
  summary: "copy files and directories into a running VM, out of it, or between two",
  details:
    "As cp -a does: into a directory that is there, else to the new name; directories with all that is in them, links as links. In the VM all of it is root's, on this host yours. A relative path of the VM begins at its workspace, or at /root where it has none. - is standard input or output. What comes out of a VM is written below the destination and nowhere else, without devices and set-id bits.",
  interrupted:
    "files that were copied to their end are there, all others are not; the same command begins again",
  examples: [
    { command: "vm cp ./notes.txt calm-otter:", note: "into its workspace, or /root" },
    { command: "vm cp calm-otter:build/out ./out", note: "a directory out of it" },
    { command: "vm cp calm-otter:/etc/hosts -", note: "a file to standard output" },
    { command: "vm cp - calm-otter:/etc/motd", note: "and from standard input" },
    { command: "vm cp calm-otter:/srv plain-kestrel:/", note: "from one VM into another" },
    { command: "vm cp ./data/. calm-otter:/srv", note: "a directory's content, without itself" },
  ],
  args: {
    source: required({ description: "a path, VM:path, or -", completes: "place" }, readPlace),
    destination: required({ description: "a path, VM:path, or -", completes: "place" }, readPlace),
  },
  flags: {},
  needless: {
    "-r": likeArchive,
    "-R": likeArchive,
    "-a": likeArchive,
    "-p": likeArchive,
    "--recursive": likeArchive,
  },
  run: async ({ source, destination }, ctx) => {
    const guest = source.where === "guest" ? source : destination;
    if (guest.where !== "guest") {
      throw new BangerError("bad_request", "neither of the two is in a VM", {
        hint:
          (await withoutColon(ctx, [source, destination])) ??
          "a path in a VM is written VM:path; on this host it is cp's work",
      });
    }
    const client = await ctx.client();
    const there = await guestPlace(ctx, client, guest);
    const progress = new CopyProgress(ctx);
    try {
      if (source.where === "stream") {
        const { copyStdin } = await import("../copy/into-guest.ts");
        await copyStdin(ctx, client, there, progress);
      } else if (source.where === "guest" && destination.where === "guest") {
        const { copyBetweenGuests } = await import("../copy/between-guests.ts");
        const to = await guestPlace(ctx, client, destination);
        await copyBetweenGuests(ctx, client, { from: there, to }, progress);
      } else if (source.where === "host") {
        const { copyIntoGuest } = await import("../copy/into-guest.ts");
        await copyIntoGuest(ctx, client, { from: source.path, to: there }, progress);
      } else {
        const { copyOutOfGuest, copyToStdout } = await import("../copy/out-of-guest.ts");
        if (destination.where === "host")
          await copyOutOfGuest(ctx, client, { from: there, to: destination.path }, progress);
        else await copyToStdout(ctx, client, there, progress);
      }
    } finally {
      progress.end();
    }
    return undefined;
  },
});

/** What was meant by a path that begins with the name of a VM. Starts no daemon for it. */
async function withoutColon(ctx: Context, places: readonly Place[]): Promise<string | undefined> {
  const begun = places.flatMap((place) => {
    const [, name, rest = ""] = place.where === "host" ? (/^([^/]+)(\/.*)?$/s.exec(place.path) ?? []) : [];
    return name === undefined || name.startsWith(".") ? [] : [{ name, rest }];
  });
  const client = await ctx.runningClient().catch(() => undefined);
  const vms = (await client?.call("vm.list", {}, { signal: ctx.signal }).catch(() => [])) ?? [];
  client?.close();
  const meant = begun.find(({ name }) => vms.some((vm) => vm.name === name));
  return (
    meant && `a path in VM ${meant.name} is written with a colon: ${meant.name}:${escapeLine(meant.rest)}`
  );
}
