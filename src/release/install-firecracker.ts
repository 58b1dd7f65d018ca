/** Firecracker and its jailer, side by side: DIR/VERSION-DIGEST/{firecracker,jailer}, and DIR/current, a link to one of them. */
import { randomBytes } from "node:crypto";
import { chmod, mkdir, rename, stat, symlink, unlink } from "node:fs/promises";
import { basename, join } from "node:path";
import { BangerError } from "../base/base.ts";
import { run, stageDirectory, syncDirectory } from "../sys/sys.ts";
import { fetchArchive } from "./fetch-archive.ts";
import { type ChosenRelease, chooseRelease } from "./firecracker-catalog.ts";
import { unpackMembers } from "./unpack-members.ts";

/** An archive has 7.6 MB, 1.5 MB of which are the two programs. */
const maxArchiveBytes = 64 * 1024 ** 2;
const maxProgramBytes = 64 * 1024 ** 2;
const maxUnpackedBytes = 1024 ** 3;

const programs = ["firecracker", "jailer"] as const;

export interface InstallRequest {
  /** Default: the catalog's. */
  version?: string | undefined;
  /** Of the archive, for a version of which the catalog has none. */
  sha256?: string | undefined;
  /** Made when it is not there. Root's is read by others, a user's own is not. */
  directory: string;
  signal: AbortSignal;
  /** In place of what the catalog says; for tests. */
  release?: ChosenRelease;
}

export interface InstalledFirecracker {
  version: string;
  firecracker: string;
  jailer: string;
  /** False when it was there already. */
  fetched: boolean;
}

/** Afterwards `current` is this version. On failure nothing has changed. */
export async function installFirecracker(request: InstallRequest): Promise<InstalledFirecracker> {
  const { directory, signal } = request;
  const release = request.release ?? chooseRelease(request);
  const mode = process.getuid?.() === 0 ? 0o755 : 0o700;
  await mkdir(directory, { recursive: true, mode });
  const name = `${release.version}-${release.sha256.slice(0, 12)}`;
  const there = await isWhole(join(directory, name), release.version);
  if (!there) {
    await stageDirectory(directory, async (staging) => {
      const archive = join(staging, "archive");
      await fetchArchive({
        url: release.url,
        sha256: release.sha256,
        maxBytes: maxArchiveBytes,
        into: archive,
        signal,
      });
      const inside = (program: string) =>
        `release-v${release.version}-x86_64/${program}-v${release.version}-x86_64`;
      await unpackMembers({
        archive,
        members: Object.fromEntries(programs.map((program) => [inside(program), join(staging, program)])),
        maxMemberBytes: maxProgramBytes,
        maxBytes: maxUnpackedBytes,
      });
      await unlink(archive);
      if (!(await isWhole(staging, release.version)))
        throw new BangerError("corrupt", `the archive does not hold Firecracker ${release.version}`);
      await chmod(staging, mode);
      return name;
    });
  }
  await pointCurrent(directory, name);
  return {
    version: release.version,
    firecracker: join(directory, name, "firecracker"),
    jailer: join(directory, name, "jailer"),
    fetched: !there,
  };
}

/** Both programs are there, and say that they are of this version. */
async function isWhole(directory: string, version: string): Promise<boolean> {
  for (const program of programs) {
    const path = join(directory, program);
    if (!(await stat(path).catch(() => undefined))?.isFile()) return false;
    try {
      const { stdout } = await run(path, ["--version"], { signal: AbortSignal.timeout(10_000) });
      const said = /^(Firecracker|Jailer) v(\d+\.\d+\.\d+)$/im.exec(
        stdout.toString("utf8").trimEnd().split("\n")[0] ?? "",
      );
      if (said?.[1]?.toLowerCase() !== basename(path) || said[2] !== version) return false;
    } catch {
      // It is no program for this machine.
      return false;
    }
  }
  return true;
}

/** A link is replaced by renaming a new one over it: it always leads to a whole version. */
async function pointCurrent(directory: string, name: string): Promise<void> {
  const aside = join(directory, `.current-${randomBytes(6).toString("hex")}`);
  await symlink(name, aside);
  await rename(aside, join(directory, "current"));
  await syncDirectory(directory);
}
