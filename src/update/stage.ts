/** A release on the disk, beside the version that is used: downloaded, verified, unpacked, and only then run. */
import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BangerError, formatBytes } from "../base/base.ts";
import { type InstalledPlace, programOf, versionName } from "../config/config.ts";
import { attempts, fetchBlob, get, httpFile, refused } from "../download/download.ts";
import { unpackMembers } from "../release/release.ts";
import { cleanStaging, removeTree, stageDirectory } from "../sys/sys.ts";
import { type Build, buildOf } from "./build.ts";
import type { Offer, Route } from "./offer.ts";

/** In bytes, at most: of the tarball, and of the program in it. */
const maxTarball = 256 * 1024 ** 2;
const maxProgram = 1024 ** 3;

export interface Staged {
  name: string;
  program: string;
  build: Build;
}

export interface StagePlace {
  place: InstalledPlace;
  /** Where downloads are kept until they are unpacked: what was broken off goes on from there. */
  updates: string;
  /** The version that is used: never touched. */
  current: string;
}

/** Throws corrupt for what is another one than was signed, of which nothing is left then. */
export async function stage(
  offer: Offer,
  { place, updates, current }: StagePlace,
  route: Route,
): Promise<Staged> {
  await mkdir(updates, { recursive: true, mode: 0o755 });
  await cleanStaging(place.versions);
  const size = await sizeOf(offer, route);
  const tarball = await fetchBlob(
    { digest: offer.tarball.digest, size },
    {
      source: httpFile({ url: offer.tarball.url, authorities: route.authorities, patience: route.patience }),
      ...{ cache: updates, patience: route.patience, signal: route.signal, onBytes: () => {} },
    },
  );
  try {
    let build: Build | undefined;
    const directory = await stageDirectory(place.versions, async (staging) => {
      const program = join(staging, "banger");
      await unpackMembers({
        // The very file that was verified, whatever its name means by now.
        archive: `/proc/self/fd/${tarball.fd}`,
        members: { banger: program },
        ...{ maxMemberBytes: maxProgram, maxBytes: maxProgram, alone: true },
      });
      build = await buildOf(program, route.signal);
      if (build.version !== offer.version) {
        throw new BangerError(
          "corrupt",
          `the program of v${offer.version} says that it is v${build.version}: nothing was installed`,
        );
      }
      await chmod(staging, 0o755);
      const name = versionName(build);
      if (name === current) throw new BangerError("already_exists", `v${offer.version} is installed already`);
      // Of an update that did not come to its end, or of a build of somebody's own under the same name.
      await removeTree(join(place.versions, name));
      return name;
    });
    if (build === undefined) throw new Error("stageDirectory has not built anything");
    const name = directory.slice(place.versions.length + 1);
    return { name, program: programOf(place, name), build };
  } finally {
    await tarball.close();
  }
}

/** Downloads are of no use to anybody once they are unpacked. */
export async function dropDownloads(updates: string): Promise<void> {
  await removeTree(join(updates, "oci"));
}

/** As the server says it: the download is then exactly so long, or none. Throws corrupt for one that has no end. */
async function sizeOf({ tarball: { url }, version }: Offer, route: Route): Promise<number> {
  return attempts(route.patience, url.href, route.signal, async () => {
    const answer = await get({
      ...{ url, headers: {}, plainHttpHost: undefined, patience: route.patience, signal: route.signal },
      authorities: await route.authorities(url.host),
    });
    if (answer.status !== 200) throw refused(answer, url);
    answer.discard();
    const length = answer.headers.get("content-length");
    const size = length === null ? Number.NaN : Number(length);
    if (Number.isSafeInteger(size) && size > 0 && size <= maxTarball) return size;
    throw new BangerError(
      "corrupt",
      length === null
        ? `${url.host} does not say how large v${version} is, which may then have no end`
        : `the tarball of v${version} has ${formatBytes(size)}, and may have ${formatBytes(maxTarball)} at most`,
    );
  });
}
