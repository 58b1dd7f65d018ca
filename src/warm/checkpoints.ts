/** The checkpoints' directory: memory, state and frozen disks of VMs, each kept for as long as somebody needs it. */
import { randomUUID } from "node:crypto";
import { lstatSync } from "node:fs";
import { mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { BangerError } from "../base/base.ts";
import { allocated, atomicWrite, removeTree, syncDirectory } from "../sys/sys.ts";
import { checksum } from "./checksum.ts";
import { memoryName, stateName } from "./manifest.ts";
import { seal, unseal } from "./sealed.ts";

const FileName = z.string().regex(/^[a-z0-9][a-z0-9.]*$/);
const Manifest = z.strictObject({
  format: z.literal(1),
  id: z.uuid(),
  /** What the owner of the checkpoint knows of it. */
  about: z.unknown(),
  createdAt: z.string(),
  files: z.record(FileName, z.strictObject({ size: z.int().nonnegative(), checksum: z.string() })),
});
type Manifest = z.infer<typeof Manifest>;
const manifestName = "manifest.json";

export interface CheckpointInfo {
  id: string;
  about: unknown;
  createdAt: string;
  /** Allocated on the host, disks that others stand on included. */
  sizeBytes: number;
}

/** What is still needed of a checkpoint. */
export type Need = "all" | "disks" | "nothing";

export interface Checkpoints {
  newId(): string;
  directory(id: string): string;
  /** Makes its directory. Until `release` nothing of it is swept, whatever is needed of it. */
  begin(id: string): Promise<string>;
  hold(id: string): void;
  release(id: string): void;
  /** Writes its manifest: what is in its directory is all of it, is on the disk, and can be checked. */
  seal(id: string, about: unknown): Promise<void>;
  /** It is as if it had never been sealed: what nobody needs of it goes with the next sweep. */
  unseal(id: string): Promise<void>;
  /** Its memory and state; of one that was sealed, after a look at every byte. Throws corrupt, with the reason alone. */
  take(id: string, how: { sealed: boolean }): Promise<{ memory: string; state: string }>;
  /** Those that were sealed, and are as they were then. */
  list(): Promise<CheckpointInfo[]>;
  /** Directories of those that were sealed, and whose manifest is not what was written: nobody knows what they are. */
  damaged(): Promise<string[]>;
  /** Removes what is not needed any more. */
  sweep(need: (id: string, is: { damaged: boolean }) => Need): Promise<void>;
}

export function openCheckpoints(root: string): Checkpoints {
  const held = new Map<string, number>();
  const directory = (id: string) => join(root, z.uuid().parse(id));

  const names = async () => {
    await mkdir(root, { recursive: true, mode: 0o700 });
    return (await readdir(root)).filter((name) => z.uuid().safeParse(name).success);
  };
  const hold = (id: string) => void held.set(id, (held.get(id) ?? 0) + 1);

  return {
    newId: randomUUID,
    directory,
    hold,
    release: (id) => {
      const left = (held.get(id) ?? 1) - 1;
      if (left > 0) held.set(id, left);
      else held.delete(id);
    },
    begin: async (id) => {
      hold(id);
      await mkdir(root, { recursive: true, mode: 0o700 });
      await mkdir(directory(id), { mode: 0o700 });
      return directory(id);
    },
    seal: async (id, about) => {
      const dir = directory(id);
      const files: Manifest["files"] = {};
      for (const name of await readdir(dir)) {
        const path = join(dir, name);
        files[name] = { size: lstatSync(path).size, checksum: await checksum(path) };
        const file = await open(path, "r");
        await file.sync().finally(() => file.close());
      }
      const manifest = { format: 1, id, about, createdAt: new Date().toISOString(), files };
      await atomicWrite(join(dir, manifestName), seal(Manifest.parse(manifest)), { mode: 0o600 });
      await syncDirectory(root);
    },
    unseal: (id) => removeTree(join(directory(id), manifestName)),
    take: async (id, { sealed }) => {
      const dir = directory(id);
      for (const name of [memoryName, stateName])
        if (!lstatSync(join(dir, name), { throwIfNoEntry: false })?.isFile())
          throw new BangerError("corrupt", `it has no ${name}`);
      if (sealed) await checkFiles(dir);
      return { memory: join(dir, memoryName), state: join(dir, stateName) };
    },
    list: async () => {
      const found: CheckpointInfo[] = [];
      for (const id of await names()) {
        const manifest = readManifest(directory(id));
        if (typeof manifest === "string") continue;
        const sizeBytes = await allocated(
          Object.keys(manifest.files).map((name) => join(directory(id), name)),
        );
        found.push({ id, about: manifest.about, createdAt: manifest.createdAt, sizeBytes });
      }
      return found.sort((one, other) => (one.createdAt < other.createdAt ? -1 : 1));
    },
    damaged: async () => (await names()).map(directory).filter((dir) => readManifest(dir) === "damaged"),
    sweep: async (need) => {
      for (const id of await names()) {
        if (held.has(id)) continue;
        const dir = directory(id);
        const needed = need(id, { damaged: readManifest(dir) === "damaged" });
        if (needed === "nothing") await removeTree(dir);
        // Whoever has mapped the memory keeps it.
        else if (needed === "disks")
          for (const name of [manifestName, memoryName, stateName]) await removeTree(join(dir, name));
      }
    },
  };
}

/** Throws corrupt when any file is not what was sealed. */
async function checkFiles(directory: string): Promise<void> {
  const manifest = readManifest(directory);
  if (typeof manifest === "string") throw new BangerError("corrupt", `its ${manifestName} is ${manifest}`);
  for (const [name, expected] of Object.entries(manifest.files)) {
    const found = await checksum(join(directory, name)).catch((error: unknown) => String(error));
    if (found !== expected.checksum) throw new BangerError("corrupt", `${name} has changed`);
  }
}

function readManifest(directory: string): Manifest | "absent" | "damaged" {
  try {
    return Manifest.parse(unseal(join(directory, manifestName)));
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT" ? "absent" : "damaged";
  }
}
