/** The work disk: a sparse ext4 file, mounted at /root in the guest, which survives stop and start. */
import { createHash } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { BangerError, formatBytes, wrap } from "../base/base.ts";
import { cloneFile, copySparse, run, runChecked } from "../sys/sys.ts";
import { type AsideOptions, makeDisk } from "./aside.ts";
import { type Ext4Shape, makeExt4, mke2fsArguments } from "./mke2fs.ts";

/** Below this an ext4 with a journal has no room for anything. */
const smallestBytes = 16 * 1024 * 1024;
/** Above this the tables of a template are so many that copying them takes longer than making them. */
const largestTemplateBytes = 256 * 1024 ** 3;

export interface WorkDiskRequest extends AsideOptions {
  path: string;
  sizeBytes: number;
  /**
   * Of an image, and unchanging: a directory whose content becomes the root's of the new file system, or a whole work disk,
   * of which the new one is a copy, grown to its size. Absent: it is empty.
   */
  seed?: string;
  /**
   * Where finished, unused disks are kept, one per size and seed: a copy of one takes 4 ms, making one 15.
   * Such disks share their file system's UUID, which no two guests see together.
   */
  templatesDir?: string;
  /** Puts the disk's first files on it, before it has its name. Not together with a seed. */
  fill?: (file: FileHandle) => Promise<void>;
  signal?: AbortSignal;
}

/** Makes the disk without mounting anything. It appears under its name only when it is whole. */
export async function createWorkDisk(request: WorkDiskRequest): Promise<void> {
  const { path, sizeBytes, templatesDir } = request;
  if (sizeBytes < smallestBytes) {
    throw new BangerError("bad_request", `a work disk of ${sizeBytes} bytes is too small`, {
      hint: "give at least 16M: --disk-size 8G",
    });
  }
  try {
    const whole = await wholeSeed(request);
    if (whole !== undefined) await copyWhole(whole, request);
    else if (templatesDir === undefined || sizeBytes > largestTemplateBytes) await format(path, request);
    else await copyFinished(await template(templatesDir, request), request);
  } catch (error) {
    throw wrap(error, "the work disk could not be made");
  }
}

function format(path: string, request: WorkDiskRequest): Promise<void> {
  const { sizeBytes, signal } = request;
  return makeDisk(path, request, async (file, aside) => {
    await file.truncate(sizeBytes);
    await makeExt4(aside, shapeOf(request), signal);
    await request.fill?.(file);
  });
}

function shapeOf({ sizeBytes, seed }: Pick<WorkDiskRequest, "sizeBytes" | "seed">): Ext4Shape {
  return { sizeBytes, label: "banger-work", seedDir: seed };
}

/** The work disk that new ones are copies of, and its size in bytes; undefined when the seed is a directory, or absent. */
async function wholeSeed({ seed }: WorkDiskRequest): Promise<{ path: string; size: number } | undefined> {
  const found = seed === undefined ? undefined : await stat(seed);
  return seed === undefined || !found?.isFile() ? undefined : { path: seed, size: found.size };
}

async function copyWhole(
  { path, size }: { path: string; size: number },
  request: WorkDiskRequest,
): Promise<void> {
  if (request.sizeBytes < size) {
    throw new BangerError(
      "bad_request",
      `a work disk of ${formatBytes(request.sizeBytes)} is smaller than its image's (${formatBytes(size)})`,
      { hint: `give it as much at least: --disk-size ${formatBytes(size)}` },
    );
  }
  await copyFinished(path, request);
  if (request.sizeBytes > size) await growWorkDisk(request.path, request.sizeBytes, request.signal);
}

const templatePrefix = "work-";
/** More sizes than anybody uses; a template takes 0.2 to 60 MB. */
const maxTemplates = 8;
/** Templates that are being made: whoever needs one meanwhile waits for the same. */
const making = new Map<string, Promise<void>>();

/** The path of a finished disk of this size and seed. */
async function template(dir: string, { sizeBytes, seed }: WorkDiskRequest): Promise<string> {
  const seeded = seed === undefined ? null : [seed, (await stat(seed)).mtimeMs];
  const recipe = JSON.stringify([sizeBytes, seeded, mke2fsArguments("", shapeOf({ sizeBytes }))]);
  const path = join(dir, templatePrefix + createHash("sha256").update(recipe).digest("hex").slice(0, 32));
  if ((await stat(path).catch(() => undefined))?.size === sizeBytes) return path;
  // Without the signal of the first who asks: the others would be cancelled with it.
  const made =
    making.get(path) ?? makeTemplate(dir, path, { path, sizeBytes, ...(seed === undefined ? {} : { seed }) });
  making.set(path, made);
  try {
    await made;
  } finally {
    making.delete(path);
  }
  return path;
}

async function makeTemplate(dir: string, path: string, request: WorkDiskRequest): Promise<void> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const others = (await readdir(dir)).filter((name) => name.startsWith(templatePrefix));
  const aged = await Promise.all(
    others.map(async (name) => ({ name, at: (await stat(join(dir, name))).mtimeMs })),
  );
  aged.sort((one, other) => other.at - one.at);
  // One that is being copied just now lives on until its copy is done: it has been opened.
  for (const { name } of aged.slice(maxTemplates - 1)) await unlink(join(dir, name));
  await format(path, request);
}

async function copyFinished(from: string, request: WorkDiskRequest): Promise<void> {
  const source = await open(from, "r");
  try {
    await makeDisk(request.path, request, async (target) => {
      const { size } = await source.stat();
      if (!cloneFile(target.fd, source.fd)) await copySparse(source, target, size, request.signal);
      await request.fill?.(target);
    });
  } finally {
    await source.close();
  }
}

/**
 * Makes a work disk larger; the VM must not be running. Gone through again after a crash, it finishes what was begun.
 * Throws bad_request for a smaller size, corrupt when the file system is damaged beyond what e2fsck repairs by itself.
 */
export async function growWorkDisk(path: string, sizeBytes: number, signal?: AbortSignal): Promise<void> {
  const file = await open(path, "r+");
  try {
    const { size } = await file.stat();
    if (sizeBytes < size) throw new BangerError("bad_request", "a work disk can grow, not shrink");
    await file.truncate(sizeBytes);
    await file.sync();
  } finally {
    await file.close();
  }
  const options = signal === undefined ? {} : { signal };
  // 1: errors were corrected. Anything above means that the file system is not in order.
  const check = await run("e2fsck", ["-f", "-p", path], options);
  if (check.status > 1)
    throw new BangerError("corrupt", `e2fsck found ${path} damaged: ${check.stderr.trim()}`);
  await runChecked("resize2fs", [path], options);
}
