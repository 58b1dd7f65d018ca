/** Trees over ssh: by the guest's own tar, which follows what links there are in the guest, and reaches nothing else. */
import { posix } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { BangerError } from "../base/base.ts";
import type { GuestProcess } from "./guest.ts";
import { harmless } from "./ssh-connection.ts";
import type { CommandSession } from "./ssh-session.ts";

const maxComplaint = 2000;
const newline = 10;

/** The names are counted, not kept. `bytes` are the archive's. */
export async function unpackBySsh(
  session: CommandSession,
  root: string,
  tar: Readable,
  signal?: AbortSignal,
): Promise<{ files: number; bytes: number }> {
  // It may break before anything reads it: while the connection is being made.
  let brokenEarly: unknown;
  tar.once("error", (error) => {
    brokenEarly = error;
  });
  const script = 'mkdir -p -- "$1" && exec tar -x -v -p -o -f - -C "$1"';
  const cancel = new AbortController();
  const either = signal === undefined ? cancel.signal : AbortSignal.any([cancel.signal, signal]);
  const child = await session.exec({ argv: ["sh", "-c", script, "sh", root], cwd: "/" }, either);
  let bytes = 0;
  let files = 0;
  let broken: unknown;
  let over = false;
  const counted = async function* (source: Readable) {
    for await (const chunk of source) {
      bytes += (chunk as Buffer).length;
      yield chunk;
    }
  };
  const fed = pipeline(tar, counted, child.stdin).catch((error: unknown) => {
    if (over) return;
    // The source broke: without this the guest would take what it has for the whole.
    broken = brokenEarly ?? error;
    cancel.abort();
  });
  child.stdout.on("data", (chunk: Buffer) => {
    for (const byte of chunk) if (byte === newline) files += 1;
  });
  try {
    await finished(child, `unpacking into ${root}`);
  } catch (error) {
    over = true;
    tar.destroy();
    await fed;
    throw broken ?? error;
  }
  over = true;
  tar.destroy();
  await fed;
  return { files, bytes };
}

export async function packBySsh(
  session: CommandSession,
  path: string,
  signal?: AbortSignal,
): Promise<Readable> {
  const argv = ["tar", "-c", "-f", "-", "-C", posix.dirname(path), "--", posix.basename(path)];
  const child = await session.exec({ argv, cwd: "/" }, signal);
  child.stdin.end();
  const done = finished(child, `reading ${path}`);
  done.catch(() => {});
  // The stream ends well only when the guest says that the tree was whole.
  const tree = Readable.from(
    (async function* () {
      try {
        yield* child.stdout;
        await done;
      } finally {
        child.signal(9);
        child.stdout.destroy();
      }
    })(),
    { objectMode: false },
  );
  tree.on("error", () => {});
  return tree;
}

async function finished(child: GuestProcess, doing: string): Promise<void> {
  const [complaint, status] = await Promise.all([text(child.stderr), child.exit]);
  if (status === 0) return;
  throw new BangerError(
    /No space left/.test(complaint) ? "no_space" : "guest_failed",
    `${doing} failed in the guest: ${harmless(complaint) || `tar ended with ${status}`}`,
  );
}

async function text(stream: Readable): Promise<string> {
  let said = "";
  try {
    for await (const chunk of stream) if (said.length < maxComplaint) said += String(chunk);
  } catch {
    // The connection was lost: the exit says so.
  }
  return said.slice(0, maxComplaint);
}
