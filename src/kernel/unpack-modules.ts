/** Distributions pack their modules, each by itself; banger's init gives the kernel plain ones. */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { BangerError } from "../base/base.ts";
import { run } from "../sys/sys.ts";

const maxModuleBytes = 128 * 1024 * 1024;
/** For one call of xz, which takes longer to start than to unpack a module. */
const atOnce = 200;

/** In `directory`, lib/modules/RELEASE: each NAME.ko.gz, .xz or .zst becomes NAME.ko. Throws corrupt. */
export async function unpackModules(directory: string, signal: AbortSignal): Promise<void> {
  const names = await readdir(directory, { recursive: true });
  const paths = names.filter((name) => /\.ko\.(gz|xz|zst)$/.test(name)).map((name) => join(directory, name));
  for (const path of paths.filter((each) => !each.endsWith(".xz"))) {
    signal.throwIfAborted();
    const unpack = path.endsWith(".gz") ? gunzipSync : zstdDecompressSync;
    const bytes = await readFile(path);
    const module = unpacked(path, () => unpack(bytes, { maxOutputLength: maxModuleBytes }));
    await writeFile(path.slice(0, path.lastIndexOf(".")), module, { flag: "wx" });
    await rm(path);
  }
  const byXz = paths.filter((each) => each.endsWith(".xz"));
  for (let at = 0; at < byXz.length; at += atOnce) {
    const { status, stderr } = await run("xz", ["-d", "--", ...byXz.slice(at, at + atOnce)], { signal });
    if (status !== 0) throw new BangerError("corrupt", `modules cannot be unpacked: ${stderr.trim()}`);
  }
}

function unpacked(path: string, unpack: () => Buffer): Buffer {
  try {
    return unpack();
  } catch (cause) {
    throw new BangerError("corrupt", `the module ${path} cannot be unpacked`, { cause });
  }
}
