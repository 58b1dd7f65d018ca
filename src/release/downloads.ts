/**
 * What was downloaded, by its digest: <cache>/downloads/<sha256>. Whoever has a file from elsewhere, for a machine without
 * a network, puts it there under its digest's name; it is believed no more than a download.
 */
import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { fetchArchive } from "./fetch-archive.ts";
import type { Tool } from "./tool-catalog.ts";

/** A server that is not reached, or falls silent, for so long is given up: images can be built without tools. */
const silenceMs = 10_000;

export function downloadsIn(cache: string): string {
  return join(cache, "downloads");
}

export interface FoundTool {
  name: string;
  sha256: string;
  path: string;
}

/** Those whose files are there, and are what they should be. */
export async function findTools(downloads: string, tools: readonly Tool[]): Promise<FoundTool[]> {
  const found = await Promise.all(tools.map((tool) => find(downloads, tool)));
  return found.filter((tool) => tool !== undefined);
}

/** Brings it there, if it is not. Throws as fetchArchive. */
export async function fetchTool(downloads: string, tool: Tool, signal: AbortSignal): Promise<void> {
  if ((await find(downloads, tool)) !== undefined) return;
  await mkdir(downloads, { recursive: true });
  const aside = join(downloads, `.${tool.sha256}.${randomBytes(6).toString("hex")}.new`);
  try {
    const { url, sha256, size } = tool;
    await fetchArchive({ url, sha256, maxBytes: size, into: aside, signal, silenceMs });
    await rename(aside, join(downloads, tool.sha256));
  } finally {
    await rm(aside, { force: true });
  }
}

async function find(downloads: string, { name, sha256 }: Tool): Promise<FoundTool | undefined> {
  const path = join(downloads, sha256);
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  return hash.digest("hex") === sha256 ? { name, sha256, path } : undefined;
}
