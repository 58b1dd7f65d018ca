/** One package from the mirror, by an apt whose every directory is a private one. */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { runChecked } from "../sys/sys.ts";
import type { DebianMirror } from "./mirror.ts";

const maxOutputBytes = 16 * 1024 * 1024;

export interface DownloadRequest {
  mirror: DebianMirror;
  suite: string;
  /** A package, or a metapackage whose first dependency is the one meant (linux-image-cloud-amd64). */
  name: string;
  /** An empty directory for apt's lists and the package. */
  dir: string;
  signal: AbortSignal;
}

export interface DownloadedPackage {
  path: string;
  name: string;
  version: string;
}

/** Downloads and verifies it. Throws host_missing without apt, unavailable when the mirror does not answer. */
export async function downloadPackage({
  mirror,
  suite,
  name,
  dir,
  signal,
}: DownloadRequest): Promise<DownloadedPackage> {
  const state = join(dir, "apt");
  await mkdir(join(state, "lists", "partial"), { recursive: true });
  await mkdir(join(state, "archives", "partial"), { recursive: true });
  const line = (uri: string, of: string) =>
    `deb [arch=amd64 signed-by=${mirror.keyring}] ${uri} ${of} main\n`;
  const sources =
    line(mirror.archive, suite) + (mirror.security ? line(mirror.security, `${suite}-security`) : "");
  await writeFile(join(state, "sources.list"), sources);
  await writeFile(join(state, "status"), "");
  const settings: Record<string, string> = {
    "Dir::State": state,
    "Dir::State::lists": join(state, "lists"),
    "Dir::State::status": join(state, "status"),
    "Dir::Cache": state,
    "Dir::Etc::sourcelist": join(state, "sources.list"),
    "Dir::Etc::sourceparts": "-",
    "Dir::Etc::preferencesparts": "-",
    "APT::Architecture": "amd64",
    "APT::Architectures": "amd64",
    // apt would drop to its own user, who may not write here; these files are only data.
    "APT::Sandbox::User": "",
    "Acquire::Languages": "none",
  };
  const set = Object.entries(settings).flatMap(([key, value]) => ["-o", `${key}=${value}`]);
  const apt = (program: string, ...args: string[]) =>
    runChecked(program, [...set, ...args], { cwd: dir, signal, maxOutputBytes });
  try {
    await apt("apt-get", "-q", "update");
  } catch (error) {
    if (error instanceof BangerError && error.code === "operation_failed") {
      throw new BangerError(
        "unavailable",
        `the Debian mirror ${mirror.archive} cannot be used: ${error.message}`,
        {
          hint: "check the network, or set debian_mirror in banger's config.toml",
          cause: error,
        },
      );
    }
    throw error;
  }
  const shown = (await apt("apt-cache", "show", "--no-all-versions", name)).stdout.toString("utf8");
  const real = /^Depends: (linux-image-[a-z0-9.+-]+)/m.exec(shown)?.[1] ?? name;
  const details = (await apt("apt-cache", "show", "--no-all-versions", real)).stdout.toString("utf8");
  const version = /^Version: (\S+)$/m.exec(details)?.[1] ?? "unknown";
  await apt("apt-get", "-q", "download", real);
  const file = (await readdir(dir)).find((entry) => entry.endsWith(".deb"));
  if (file === undefined) throw new BangerError("operation_failed", `apt downloaded no package for ${real}`);
  return { path: join(dir, file), name: real, version };
}
