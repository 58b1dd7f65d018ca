/** The templates' directory: looking up, publishing, removing. */
import { randomUUID } from "node:crypto";
import { type BigIntStats, lstatSync, type Stats } from "node:fs";
import { lstat, mkdir, open, readdir, rename, utimes } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { allocated, removeTree, syncDirectory } from "../sys/sys.ts";
import { checksum } from "./checksum.ts";
import {
  type Manifest,
  manifestName,
  memoryName,
  readManifest,
  stateName,
  writeManifest,
} from "./manifest.ts";
import { templateName } from "./template-name.ts";
import type { KeyRecord, Template, TemplateDisk, TemplateRef } from "./warm.ts";

export interface TemplateInfo extends TemplateRef {
  record: KeyRecord;
  /** Allocated on the host. */
  sizeBytes: number;
  createdAt: string;
  lastUsedAt: string;
}

export interface FreshTemplate {
  /** In the templates' directory, with `memory`, `state` and the disks in it; what else is in it is removed. */
  directory: string;
  id: string;
  record: KeyRecord;
  root: TemplateDisk;
  work: string;
}

export interface Templates {
  /** How much all of them may take. */
  readonly maxBytes: number;
  /** Removes what is no template and was left behind; at the start of a daemon, when nothing is being made. */
  tidy(): Promise<void>;
  /** The template for a key; `damaged` when there was one, which is gone now. */
  lookup(key: string): Promise<Template | "none" | "damaged">;
  /** This very template, if it is still there and whole; it counts as used now. */
  take(ref: TemplateRef): Promise<Template | undefined>;
  /** Gives a directory its name, over one that has it already. */
  publish(fresh: FreshTemplate): Promise<void>;
  /** Absent is success. With an id, only that very one. */
  drop(key: string, id?: string): Promise<void>;
  list(): Promise<TemplateInfo[]>;
  /** Removes those used longest ago until the rest fits into `maxBytes`, and returns what went. */
  fit(maxBytes: number): Promise<TemplateInfo[]>;
}

interface Log {
  warn(message: string, facts?: Record<string, unknown>): void;
}

const keyPattern = /^[0-9a-f]{32}$/;

export function openTemplates(root: string, { maxBytes, log }: { maxBytes: number; log: Log }): Templates {
  /** Path -> the file's identity when its checksum was right. */
  const verified = new Map<string, string>();

  const drop = async (key: string, id?: string) => {
    const directory = join(root, key);
    if (id !== undefined && manifestOf(directory)?.id !== id) return;
    for (const path of verified.keys()) if (path.startsWith(`${directory}/`)) verified.delete(path);
    // First out of sight, so that a removal that is cut short leaves no half template.
    const aside = join(root, `.dropped-${randomUUID()}`);
    await rename(directory, aside).catch((error: unknown) => {
      if (!isAbsent(error)) throw error;
    });
    await discard(aside);
  };

  /** Without a directory of its own there are none; nothing else fails for that. */
  const names = async () => {
    try {
      await mkdir(root, { recursive: true, mode: 0o700 });
      return await readdir(root);
    } catch (error) {
      log.warn("templates cannot be kept", { directory: root, error: String(error) });
      return [];
    }
  };

  /** Somebody else's directory cannot be emptied: then it stays, out of the way. */
  const discard = async (path: string) => {
    try {
      await removeTree(path);
    } catch (error) {
      log.warn("what is left of a template cannot be removed", { path, error: String(error) });
    }
  };

  const check = async (directory: string, manifest: Manifest, key: string) => {
    if (templateName(manifest.key) !== key) throw new Error("its manifest is of another template");
    const needed = [memoryName, stateName, manifest.root.file, manifest.work];
    for (const name of needed) {
      const expected = manifest.files[name];
      if (expected === undefined) throw new Error(`its manifest has no ${name}`);
      const path = join(directory, name);
      const found = fileIdentity(path, expected.size);
      if (verified.get(path) === found) continue;
      if ((await checksum(path)) !== expected.checksum) throw new Error(`${name} has changed`);
      verified.set(path, found);
    }
  };

  const lookup = async (key: string): Promise<Template | "none" | "damaged"> => {
    const directory = join(root, key);
    if (!isThere(directory)) return "none";
    try {
      checkOwner(directory, lstatSync(directory));
      checkOwner(manifestName, lstatSync(join(directory, manifestName)));
      const manifest = readManifest(directory);
      await check(directory, manifest, key);
      const { file, ...layer } = manifest.root;
      return {
        ...{ key, id: manifest.id },
        memory: join(directory, memoryName),
        state: join(directory, stateName),
        root: { ...layer, path: join(directory, file) },
        work: join(directory, manifest.work),
      };
    } catch (error) {
      log.warn("a template is damaged: removed", { template: key, error: String(error) });
      await drop(key).catch((cause: unknown) => {
        log.warn("a damaged template cannot be removed", { template: key, error: String(cause) });
      });
      return "damaged";
    }
  };

  const list = async (): Promise<TemplateInfo[]> => {
    const found: TemplateInfo[] = [];
    for (const key of await names()) {
      if (!keyPattern.test(key)) continue;
      const directory = join(root, key);
      const manifest = manifestOf(directory);
      if (manifest === undefined) continue;
      found.push({
        ...{ key, id: manifest.id, record: manifest.key, createdAt: manifest.createdAt },
        sizeBytes: await allocated(Object.keys(manifest.files).map((name) => join(directory, name))),
        lastUsedAt: (await lstat(directory)).mtime.toISOString(),
      });
    }
    return found.sort((one, other) => (one.lastUsedAt < other.lastUsedAt ? 1 : -1));
  };

  return {
    maxBytes,
    tidy: async () => {
      for (const name of await names()) if (!keyPattern.test(name)) await discard(join(root, name));
    },
    lookup,
    take: async ({ key, id }) => {
      const found = await lookup(key);
      if (typeof found === "string" || found.id !== id) return undefined;
      const now = new Date();
      await utimes(join(root, key), now, now).catch(() => {
        // Just dropped; what is mapped already stays, and what is not is started cold.
      });
      return found;
    },
    publish: async (fresh) => {
      const key = templateName(fresh.record);
      await seal(fresh);
      await drop(key);
      await rename(fresh.directory, join(root, key));
      await syncDirectory(root);
    },
    drop,
    list,
    fit: async (maxBytes) => {
      const gone: TemplateInfo[] = [];
      let room = maxBytes;
      for (const each of await list()) {
        room -= each.sizeBytes;
        if (room >= 0) continue;
        room += each.sizeBytes;
        await drop(each.key);
        gone.push(each);
      }
      return gone;
    },
  };
}

/** Leaves the template's files and its manifest in the directory, all on the disk. */
async function seal({ directory, id, record, root, work }: FreshTemplate): Promise<void> {
  const name = (path: string) => {
    if (!path.startsWith(`${directory}/`))
      throw new BangerError("internal", `${path} is not in ${directory}`);
    return path.slice(directory.length + 1);
  };
  const names = [memoryName, stateName, name(root.path), name(work)];
  for (const other of await readdir(directory))
    if (!names.includes(other)) await removeTree(join(directory, other));
  const files: Manifest["files"] = {};
  for (const each of names) {
    const path = join(directory, each);
    files[each] = { size: lstatSync(path).size, checksum: await checksum(path) };
    await sync(path);
  }
  const manifest: Manifest = {
    ...{ format: 1, id, key: { ...record }, createdAt: new Date().toISOString(), files },
    root: { file: name(root.path), format: root.format, strategy: root.strategy },
    work: name(work),
  };
  await sync(writeManifest(directory, manifest));
  await syncDirectory(directory);
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  await file.sync().finally(() => file.close());
}

/** Undefined when it is absent or damaged: either way there is no template that anybody could use. */
function manifestOf(directory: string): Manifest | undefined {
  try {
    return readManifest(directory);
  } catch {
    // lookup says why, to whoever wants to use it.
    return undefined;
  }
}

/** What tells this content of this file from any other. Throws for what is not the user's own file of this size. */
function fileIdentity(path: string, size: number): string {
  const found = lstatSync(path, { bigint: true });
  checkOwner(path, found);
  if (!found.isFile()) throw new Error(`${path} is no regular file`);
  if (found.size !== BigInt(size)) throw new Error(`${path} has ${found.size} bytes instead of ${size}`);
  return [found.dev, found.ino, found.size, found.mtimeNs, found.ctimeNs].join(":");
}

/** What somebody else can change may be anything by the time it is used. */
function checkOwner(path: string, { uid, mode }: Stats | BigIntStats): void {
  if (Number(uid) !== process.getuid?.()) throw new Error(`${path} is somebody else's`);
  if ((Number(mode) & 0o077) !== 0) throw new Error(`others may use ${path}`);
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    // ENOTDIR: what should be the directory of all is something else.
    return false;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
