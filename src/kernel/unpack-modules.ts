/** Distributions pack their modules, each by itself; banger's init gives the kernel plain ones. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { BangerError } from "../base/base.ts";
import { unpackedInMemory } from "../packed/packed.ts";
import { filesBelow, run } from "../sys/sys.ts";

const maxModuleBytes = 128 * 1024 * 1024;
/** For one call of xz, which takes longer to start than to unpack a module. */
const atOnce = 200;

/** In `directory`, lib/modules/RELEASE: each NAME.ko.gz, .xz or .zst becomes NAME.ko. Throws corrupt. */
export async function unpackModules(directory: string, signal: AbortSignal): Promise<void> {
  const files = await Array.fromAsync(filesBelow(directory));
  const paths = files.filter((path) => /\.ko\.(gz|xz|zst)$/.test(path));
  const unpacked = [...files.filter((path) => path.endsWith(".ko")), ...paths.map(unpackedPath)];
  if (new Set(unpacked).size < unpacked.length)
    throw new BangerError("corrupt", "a module is there twice, packed and plain or packed in two ways");
  for (const path of paths.filter((each) => !each.endsWith(".xz"))) {
    signal.throwIfAborted();
    const bytes = await readFile(path);
    const format = path.endsWith(".gz") ? "gzip" : "zstd";
    const module = await unpackedInMemory(format, bytes, maxModuleBytes).catch((cause: unknown) => {
      throw new BangerError("corrupt", `the module ${path} cannot be unpacked`, { cause });
    });
    await writeFile(unpackedPath(path), module, { flag: "wx" });
    await rm(path);
  }
  const byXz = paths.filter((each) => each.endsWith(".xz"));
  for (let at = 0; at < byXz.length; at += atOnce) {
    const some = byXz.slice(at, at + atOnce);
    await refuseLarge(some, signal);
    const { status, stderr } = await run("xz", ["-d", "--", ...some], { signal });
    if (status !== 0) throw new BangerError("corrupt", `modules cannot be unpacked: ${stderr.trim()}`);
  }
}

function unpackedPath(path: string): string {
  return path.slice(0, path.lastIndexOf("."));
}

/** What their own indexes say, which xz holds them to (xz(1), --robot --list: a file's fifth column is its size unpacked). */
async function refuseLarge(paths: readonly string[], signal: AbortSignal): Promise<void> {
  const { status, stdout, stderr } = await run("xz", ["--robot", "--list", "--", ...paths], { signal });
  if (status !== 0) throw new BangerError("corrupt", `modules cannot be unpacked: ${stderr.trim()}`);
  for (const line of stdout.toString("utf8").split("\n")) {
    const [kind, , , , bytes] = line.split("\t");
    if (kind === "file" && !(Number(bytes) <= maxModuleBytes))
      throw new BangerError("corrupt", "a module unpacks to more than any has");
  }
}
