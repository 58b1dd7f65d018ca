/** The checkpoints' directory: memory, state and frozen disks of VMs, each kept for as long as somebody needs it. */
import { randomUUID } from "node:crypto";
import { lstatSync, readFileSync } from "node:fs";
import { mkdir, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { BangerError } from "../base/base.ts";
import { allocated, atomicWrite, removeTree, syncDirectory } from "../sys/sys.ts";
import { checksum } from "./checksum.ts";
import { memoryName, stateName } from "./manifest.ts";

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
  /** Its memory and state; of one that was sealed, after a look at every byte. Throws corrupt. */
  take(id: string): Promise<{ memory: string; state: string }>;
  /** Those that were sealed. */
  list(): Promise<CheckpointInfo[]>;
  /** Removes what is not needed any more. */
  sweep(need: (id: string, about: unknown) => Need): Promise<void>;
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
      await atomicWrite(join(dir, manifestName), JSON.stringify(Manifest.parse(manifest)), { mode: 0o600 });
      await syncDirectory(root);
    },
    unseal: (id) => removeTree(join(directory(id), manifestName)),
    take: async (id) => {
      const dir = directory(id);
      const damaged = (why: string) =>
        new BangerError("corrupt", `the saved memory of the VM is damaged: ${why}`, {
          hint: "to give it up, and boot from the disks: banger vm stop, then vm start",
        });
      for (const name of [memoryName, stateName])
        if (!lstatSync(join(dir, name), { throwIfNoEntry: false })?.isFile())
          throw damaged(`it has no ${name}`);
      const manifest = readManifest(dir);
      for (const [name, expected] of Object.entries(manifest?.files ?? {})) {
        const path = join(dir, name);
        const found = await checksum(path).catch((error: unknown) => String(error));
        if (found !== expected.checksum) throw damaged(`${name} has changed`);
      }
      return { memory: join(dir, memoryName), state: join(dir, stateName) };
    },
    list: async () => {
      const found: CheckpointInfo[] = [];
      for (const id of await names()) {
        const manifest = readManifest(directory(id));
        if (manifest === undefined) continue;
        const sizeBytes = await allocated(
          Object.keys(manifest.files).map((name) => join(directory(id), name)),
        );
        found.push({ id, about: manifest.about, createdAt: manifest.createdAt, sizeBytes });
      }
      return found.sort((one, other) => (one.createdAt < other.createdAt ? -1 : 1));
    },
    sweep: async (need) => {
      for (const id of await names()) {
        if (held.has(id)) continue;
        const dir = directory(id);
        const needed = need(id, readManifest(dir)?.about);
        if (needed === "nothing") await removeTree(dir);
        // Whoever has mapped the memory keeps it.
        else if (needed === "disks")
          for (const name of [manifestName, memoryName, stateName]) await removeTree(join(dir, name));
      }
    },
  };
}

function readManifest(directory: string): Manifest | undefined {
  try {
    return Manifest.parse(JSON.parse(readFileSync(join(directory, manifestName), "utf8")));
  } catch {
    // None, or none that could be used: as of a checkpoint that was never sealed.
    return undefined;
  }
}
