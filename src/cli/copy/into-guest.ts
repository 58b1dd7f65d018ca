/** From this host into a guest. */
import { randomUUID } from "node:crypto";
import { lstat, open, stat, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, posix, resolve } from "node:path";
import { BangerError, toBangerError } from "../../base/base.ts";
import { type HostTree, tarOfTrees } from "../../trees/trees.ts";
import type { Context, Daemon } from "../context.ts";
import { PackFailed, sendTar } from "../guest/send-tar.ts";
import { endOf, type GuestPlace, missingInGuest } from "./place.ts";
import type { CopyProgress } from "./transfer-progress.ts";

interface Source {
  place: HostTree["place"];
  /** Its own; "" for a directory's content. */
  name: string;
  isDirectory: boolean;
  /** Of a file. */
  sizeBytes: number | undefined;
  mode?: number;
}

/** Throws not_found and already_exists for places that do not fit each other, before anything is sent. */
export async function copyIntoGuest(
  ctx: Context,
  client: Daemon,
  { from, to }: { from: string; to: GuestPlace },
  progress: CopyProgress,
): Promise<void> {
  const source = await hostSource(ctx, from);
  const { root, name } = await guestDestination(ctx, client, source, to);
  await send(ctx, client, { ...to, path: root }, { ...source, name }, progress);
}

/** Standard input, which must be known in full first: an archive says how long a file is before it comes. */
export async function copyStdin(
  ctx: Context,
  client: Daemon,
  to: GuestPlace,
  progress: CopyProgress,
): Promise<void> {
  const path = join(tmpdir(), `banger-stdin-${randomUUID()}`);
  const place = await open(path, "wx+", 0o600);
  const stop = () => ctx.stdin.destroy();
  ctx.signal.addEventListener("abort", stop, { once: true });
  try {
    // Nobody else sees it, and nothing is left of it, however this process ends.
    await unlink(path);
    for await (const chunk of ctx.stdin) await place.appendFile(chunk);
    ctx.signal.throwIfAborted();
    const { size: sizeBytes } = await place.stat();
    const source = { ...{ place, sizeBytes, isDirectory: false }, name: "", mode: 0o644 };
    const { root, name } = await guestDestination(ctx, client, source, to);
    await send(ctx, client, { ...to, path: root }, { ...source, name }, progress);
  } catch (error) {
    if (ctx.signal.aborted) throw new BangerError("cancelled", "cancelled");
    throw error;
  } finally {
    ctx.signal.removeEventListener("abort", stop);
    await place.close();
  }
}

async function hostSource(ctx: Context, path: string): Promise<Source> {
  const { asDirectory, content } = endOf(path);
  const absolute = resolve(ctx.cwd, path);
  // As cp has it: a link is copied as a link, unless it is written as a directory.
  const found = await (asDirectory ? stat(absolute) : lstat(absolute)).catch((error: unknown) => {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw toBangerError(error);
    throw new BangerError("not_found", `there is no ${path} on this host`, { cause: error });
  });
  const isDirectory = found.isDirectory();
  if (asDirectory && !isDirectory) throw new BangerError("bad_request", `${path} is no directory`);
  if (!isDirectory && !found.isFile() && !found.isSymbolicLink())
    throw new BangerError("bad_request", `${path} is neither a file nor a directory`);
  return {
    place: asDirectory ? `${absolute}/.` : absolute,
    name: content ? "" : basename(absolute),
    isDirectory,
    sizeBytes: found.isFile() ? found.size : undefined,
  };
}

/** The directory that is unpacked in, and what the tree is called there. */
export async function guestDestination(
  ctx: Context,
  client: Daemon,
  source: Pick<Source, "name" | "isDirectory">,
  to: GuestPlace,
): Promise<{ root: string; name: string }> {
  const kindOf = async (path: string) => {
    const { kind } = await client.call("guest.kind", { ref: to.vm.id, path }, { signal: ctx.signal });
    return kind;
  };
  const kind = await kindOf(to.path);
  if (kind === "directory") {
    if (source.name !== "" || source.isDirectory) return { root: to.path, name: source.name };
    throw new BangerError("bad_request", `${to.path} in VM ${to.vm.name} is a directory`, {
      hint: `give the file a name: ${to.vm.name}:${posix.join(to.path, "NAME")}`,
    });
  }
  if (kind === "missing" && to.asDirectory && !source.isDirectory) throw missingInGuest(to, "directory ");
  if (kind === "file" && (source.isDirectory || to.asDirectory))
    throw new BangerError("already_exists", `${to.path} in VM ${to.vm.name} is no directory`);
  const root = posix.dirname(to.path);
  if (kind === "missing" && (await kindOf(root)) !== "directory")
    throw missingInGuest({ ...to, path: root }, "directory ");
  return { root, name: posix.basename(to.path) };
}

async function send(
  ctx: Context,
  client: Daemon,
  { vm, path }: GuestPlace,
  source: Source,
  progress: CopyProgress,
): Promise<void> {
  const { place, name, mode } = source;
  if (source.sizeBytes !== undefined) progress.total(source.sizeBytes);
  const tree: HostTree = { place, name, mode };
  const tar = tarOfTrees([tree], {
    signal: ctx.signal,
    onBytes: (count) => progress.add(count),
    leftOut: (left, what) => progress.warn(`left out ${left}: ${what}`),
  });
  try {
    const sent = await sendTar(client, {
      ...{ tar, signal: ctx.signal, onEvent: (event) => progress.event(event) },
      call: (on) => client.call("guest.push", { ref: vm.id, path }, on),
    });
    progress.done(sent.files);
  } catch (error) {
    throw error instanceof PackFailed ? toBangerError(error.cause) : error;
  }
}
