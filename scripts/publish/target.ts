/** Where bundles are put: a directory, or a place that rsync or rclone knows. Nothing that is there is ever written over. */
import { link, mkdir, mkdtemp, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { BangerError } from "../../src/base/base.ts";
import { Digest, digestOfFile } from "../../src/download/download.ts";
import { runTool } from "./tool.ts";

export interface BundleFile {
  path: string;
  name: string;
  sha256: string;
}

export interface Target {
  /** For people. */
  shown: string;
  /** Undefined for one that is elsewhere. */
  directory: string | undefined;
  /** A directory of its own to pack in, which the caller removes. */
  workDirectory(): Promise<string>;
  /** Nothing, where that very file is there already. Throws already_exists for another one of its name. */
  put(bundle: BundleFile): Promise<void>;
}

export function targetOf(to: string, rclone: boolean): Target {
  if (rclone) return elsewhere(to, byRclone);
  // As rsync itself tells them apart: a colon before any slash.
  return /^[^/]+:/.test(to) ? elsewhere(to, byRsync) : directoryTarget(resolve(to));
}

function directoryTarget(directory: string): Target {
  return {
    ...{ shown: directory, directory },
    workDirectory: async () => {
      await mkdir(directory, { recursive: true });
      return await mkdtemp(join(directory, ".publish-"));
    },
    put: async ({ path, name, sha256 }) => {
      const place = join(directory, name);
      try {
        // Fails where there is something, and else makes the whole file appear at once.
        return await link(path, place);
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      }
      const found = await open(place, "r");
      const digest = Digest.parse(`sha256:${sha256}`);
      const same = (await digestOfFile(found, digest).finally(() => found.close())) === digest;
      if (!same) throw otherFile(place);
    },
  };
}

/** `base` has its name behind it to be the file's place. */
type Upload = (bundle: BundleFile, base: string) => void;

function elsewhere(to: string, upload: Upload): Target {
  // A remote's own root is what its name alone means, without a slash.
  const base = /[:/]$/.test(to) ? to : `${to}/`;
  return {
    ...{ shown: to, directory: undefined },
    workDirectory: () => mkdtemp(join(tmpdir(), "banger-publish-")),
    put: async (bundle) => upload(bundle, base),
  };
}

function byRsync({ path, name }: BundleFile, base: string): void {
  const place = base + name;
  // By their content: what is the same on both sides is not listed (rsync(1), --itemize-changes).
  const compare = ["--checksum", "--itemize-changes", "--out-format=%i", "--chmod=F644"];
  const said = runTool("rsync", ["--dry-run", ...compare, path, place])
    .toString()
    .trim();
  if (said === "") return;
  if (!/^<f\++$/.test(said)) throw otherFile(place);
  // It has its name when all of it is there.
  runTool("rsync", [...compare, path, place], { shown: true });
}

function byRclone({ path, name }: BundleFile, base: string): void {
  // Not `--immutable`, which does not keep copyto from writing over a file (1.60).
  runTool("rclone", ["copyto", "-q", "--ignore-existing", path, base + name]);
  try {
    // By the digests that the remote keeps, or by its size where it keeps none.
    runTool("rclone", ["check", "-q", "--one-way", path, base]);
  } catch (cause) {
    throw otherFile(base + name, cause);
  }
}

function otherFile(place: string, cause?: unknown): BangerError {
  return new BangerError("already_exists", `there is another file at ${place}`, {
    hint: "its name is its digest's, so it was damaged or replaced: find out by whom, then remove it",
    cause,
  });
}
