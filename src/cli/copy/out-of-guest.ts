/** From a guest onto this host. What comes is hostile: the trees room parses it, and writes below the destination only. */
import { stat } from "node:fs/promises";
import { basename, dirname, posix, resolve } from "node:path";
import { BangerError } from "../../base/base.ts";
import { contentOf, type TreeTarget, TreeUnpacker } from "../../trees/trees.ts";
import type { Context, Daemon } from "../context.ts";
import { copyOut, isReaderGone } from "../guest/streams.ts";
import { fetchTar } from "./fetch-tar.ts";
import { endOf, type GuestPlace } from "./place.ts";
import type { CopyProgress } from "./transfer-progress.ts";

export async function copyOutOfGuest(
  ctx: Context,
  client: Daemon,
  { from, to }: { from: GuestPlace; to: string },
  progress: CopyProgress,
): Promise<void> {
  const target = await destination(ctx, from, to);
  const unpacker = new TreeUnpacker(target, {
    onBytes: (count) => progress.add(count),
    onSize: (bytes) => progress.total(bytes),
    warn: (message) => progress.warn(message),
  });
  try {
    await fetchTar(ctx, client, from, progress, async (tar) => {
      for await (const chunk of tar)
        unpacker.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    });
    progress.done(unpacker.finish().files);
  } catch (error) {
    unpacker.abort();
    throw error;
  }
}

/** A file's content to standard output. */
export async function copyToStdout(
  ctx: Context,
  client: Daemon,
  from: GuestPlace,
  progress: CopyProgress,
): Promise<void> {
  await fetchTar(ctx, client, from, progress, async (tar) => {
    try {
      await copyOut(
        contentOf(tar),
        () => ctx.stdout,
        (count) => progress.add(count),
      );
    } catch (error) {
      // Whoever reads what we write has had enough.
      if (!isReaderGone(error)) throw error;
    }
  });
  progress.done();
}

async function destination(ctx: Context, from: GuestPlace, to: string): Promise<TreeTarget> {
  const path = resolve(ctx.cwd, to);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory() === true)
    return { directory: path, name: from.content ? undefined : posix.basename(from.path) };
  // In the place of a device there would be a file: of /dev/null, for everybody.
  if (found !== undefined && !found.isFile())
    throw new BangerError("bad_request", `${to} is neither a file nor a directory`, {
      hint: "a file's content can be written to it: give - for the place, and redirect",
    });
  if (endOf(to).asDirectory && (found !== undefined || !from.asDirectory))
    throw new BangerError("not_found", `there is no directory ${to} on this host`);
  const directory = dirname(path);
  const parent = await stat(directory).catch(() => undefined);
  if (parent?.isDirectory() !== true)
    throw new BangerError("not_found", `there is no directory ${directory} on this host`);
  return { directory, name: basename(path) };
}
