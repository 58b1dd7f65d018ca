/** Archives to unpack, and trees to compare. */
import { spawnSync } from "node:child_process";
import type { Readable } from "node:stream";
import { type Header, pack } from "tar-stream";
import { bytesOf } from "./agent-fixture.ts";

export type Entry = Partial<Header> & { name: string; content?: string };

/** An archive of these entries, as bytes. */
export async function tarOf(...entries: Entry[]): Promise<Buffer> {
  const archive = pack();
  for (const { content, ...header } of entries) archive.entry(header, content ?? "");
  archive.finalize();
  return bytesOf(archive as unknown as Readable);
}

/** What GNU tar makes of a directory: a foreign writer's dialect. */
export function gnuTar(dir: string, ...options: string[]): Buffer {
  const done = spawnSync("tar", ["-C", dir, ...options, "-cf", "-", "."], { maxBuffer: 1 << 28 });
  if (done.status !== 0) throw new Error(done.stderr.toString());
  return done.stdout;
}

/** A comparable description of a tree: paths as bytes, kinds, modes, times, contents. */
export function describeTree(dir: string): string {
  const script = `cd "$1" && find . -mindepth 1 ! -type d -printf '%P|%y|%m|%T@|%l|%s\\0' | sort -z; find . -mindepth 1 -type d -printf '%P|%m\\0' | sort -z; find . -type f -print0 | sort -z | xargs -0r sha256sum -z`;
  return spawnSync("sh", ["-c", script, "sh", dir], { maxBuffer: 1 << 28 }).stdout.toString("latin1");
}
