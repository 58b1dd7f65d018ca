/** Disks that nobody writes any more, and the layers in which those who had them, or want them, go on. */
import { link, open } from "node:fs/promises";
import { BangerError } from "../base/base.ts";
import { type AsideOptions, makeDisk } from "./aside.ts";
import { emptyOverlay } from "./qcow2.ts";

export interface DiskFile {
  path: string;
  format: "raw" | "qcow2";
}

/** An empty layer: all that it is read for comes from `base`, which must stay as it is from the layer's first write on. */
export async function createLayer(path: string, base: DiskFile, options: AsideOptions): Promise<DiskFile> {
  const image = emptyOverlay(base.path, await virtualSize(base), base.format);
  await makeDisk(path, options, (file) => file.writeFile(image));
  return { path, format: "qcow2" };
}

/** The disk gets a second name. (Not another one: QEMU opens it once more by the first, to give up writing.) */
export async function linkDisk({ path, format }: DiskFile, to: string): Promise<DiskFile> {
  await link(path, to);
  return { path: to, format };
}

/** What was written to it until now is on the host's disk. */
export async function flushDisk(path: string): Promise<void> {
  const file = await open(path, "r+");
  await file.datasync().finally(() => file.close());
}

/** What a guest sees as the disk's size. */
async function virtualSize({ path, format }: DiskFile): Promise<number> {
  const file = await open(path, "r");
  try {
    if (format === "raw") return (await file.stat()).size;
    const header = Buffer.alloc(32);
    await file.read(header, 0, header.length, 0);
    if (header.toString("latin1", 0, 4) !== "QFI\xfb")
      throw new BangerError("corrupt", `${path} is no qcow2 image`);
    return Number(header.readBigUInt64BE(24));
  } finally {
    await file.close();
  }
}
