/** Distributions pack their modules, each by itself; banger's init gives the kernel plain ones. */
import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { run } from "../sys/sys.ts";
import { decompressed } from "./decompress.ts";

const maxModuleBytes = 128 * 1024 * 1024;
/** For one call of xz, which takes longer to start than to unpack a module. */
const atOnce = 200;

/** In `directory`, lib/modules/RELEASE: each NAME.ko.gz, .xz or .zst becomes NAME.ko. Throws corrupt. */
export async function unpackModules(directory: string, signal: AbortSignal): Promise<void> {
  const names = await readdir(directory, { recursive: true });
  const paths = names.filter((name) => /\.ko\.(gz|xz|zst)$/.test(name)).map((name) => join(directory, name));
  for (const path of paths.filter((each) => !each.endsWith(".xz"))) {
    signal.throwIfAborted();
    const bytes = await readFile(path);
    const format = path.endsWith(".gz") ? "gzip" : "zstd";
    const module = await decompressed(bytes, format, maxModuleBytes).catch((cause: unknown) => {
      throw new BangerError("corrupt", `the module ${path} cannot be unpacked`, { cause });
    });
    await writeFile(path.slice(0, path.lastIndexOf(".")), module, { flag: "wx" });
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
