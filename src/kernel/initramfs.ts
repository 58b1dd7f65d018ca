/** The initramfs: banger's init and agent, and the modules that find the disks and the agent's port. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { atomicWrite } from "../sys/sys.ts";
import { type CpioEntry, cpioArchive, fileType } from "./cpio.ts";
import type { KernelModule } from "./modules.ts";

export interface InitramfsRequest {
  modules: readonly KernelModule[];
  init: Uint8Array;
  agent: Uint8Array;
}

export function initramfs({ modules, init, agent }: InitramfsRequest): Buffer {
  const directories = ["dev", "proc", "sys", "mnt", "m"];
  const entries: CpioEntry[] = [
    ...directories.map((name) => ({ name, mode: fileType.directory | 0o755 })),
    { name: "dev/console", mode: fileType.characterDevice | 0o600, device: [5, 1] as const },
    { name: "init", mode: fileType.regular | 0o755, content: init },
    { name: "agent", mode: fileType.regular | 0o755, content: agent },
    {
      name: "modules.list",
      mode: fileType.regular | 0o644,
      content: Buffer.from(modules.map((module) => `m/${module.name}.ko\n`).join("")),
    },
    ...modules.map(({ name, content }) => ({
      name: `m/${name}.ko`,
      mode: fileType.regular | 0o644,
      content,
    })),
  ];
  return cpioArchive(entries);
}

/** The initramfs of a kernel for this executable's init and agent, kept in `dir` under the digest of its bytes. */
export async function storeInitramfs(dir: string, request: InitramfsRequest): Promise<string> {
  const bytes = initramfs(request);
  const digest = createHash("sha256").update(bytes).digest("hex");
  const path = join(dir, `initramfs-${digest.slice(0, 32)}.cpio`);
  const there = await readFile(path).catch(() => undefined);
  if (there === undefined || !there.equals(bytes)) await atomicWrite(path, bytes, { mode: 0o600 });
  return path;
}
