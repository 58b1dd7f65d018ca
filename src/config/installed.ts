/**
 * How an installed banger lies on the disk: PREFIX/lib/banger/versions/VERSION-COMMIT/banger, and PREFIX/bin/banger, a link to
 * one of them. The rename of that link is an update; every other name (bangerd ...) leads through it.
 */
import { readlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";

export interface InstalledPlace {
  /** PREFIX/bin/banger: what people and services call. */
  link: string;
  /** PREFIX/lib/banger. */
  library: string;
  /** Of a directory for each version. */
  versions: string;
}

const place = /^(.*)\/lib\/banger\/versions\/([^/]+)\/banger$/;

export function placeBelow(prefix: string): InstalledPlace {
  const library = join(prefix, "lib", "banger");
  return { link: join(prefix, "bin", "banger"), library, versions: join(library, "versions") };
}

/** Where `executable` (a path without links in it) was installed; undefined for one that lies elsewhere. */
export function installedPlace(executable: string): InstalledPlace | undefined {
  const [, prefix] = place.exec(executable) ?? [];
  return prefix === undefined ? undefined : placeBelow(prefix === "" ? "/" : prefix);
}

/** The directory of a build, in `versions`. */
export function versionName({ version, commit }: { version: string; commit: string }): string {
  return `${version}-${commit}`;
}

export function programOf({ versions }: InstalledPlace, name: string): string {
  return join(versions, name, "banger");
}

/** The name of the version that the link leads to; undefined when there is no link, or it leads elsewhere. */
export function currentVersion(installed: InstalledPlace): string | undefined {
  let target: string;
  try {
    target = resolve(dirname(installed.link), readlinkSync(installed.link));
  } catch {
    // It is not there, or no link.
    return undefined;
  }
  const [, , name] = place.exec(target) ?? [];
  return name !== undefined && programOf(installed, name) === target ? name : undefined;
}

/** The name by which others should call this program: the link where there is one, which outlives the version. */
export function callableName(executable: string): string {
  const installed = installedPlace(executable);
  return installed !== undefined && currentVersion(installed) !== undefined ? installed.link : executable;
}
