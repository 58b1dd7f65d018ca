/** A release on the disk, beside the version that is used: downloaded, verified, unpacked, and only then run. */
import { chmod, type FileHandle, mkdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { BangerError, formatBytes, toBangerError } from "../base/base.ts";
import { type InstalledPlace, programOf, versionName } from "../config/config.ts";
import { attempts, fetchBlob, get, httpFile, refused } from "../download/download.ts";
import { removeOtherVersions } from "../host/host.ts";
import { unpackMembers } from "../release/release.ts";
import { removeTree, stageDirectory } from "../sys/sys.ts";
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
  /** How much of the tarball there is, of how much, in bytes. */
  downloaded(done: number, total: number): void;
}

/** Throws corrupt for what is another one than was signed, of which nothing is left then. */
export async function stage(offer: Offer, at: StagePlace, route: Route): Promise<Staged> {
  await mkdir(at.updates, { recursive: true, mode: 0o755 });
  // Also of what was staged before, and never used.
  await removeOtherVersions(at.place.versions, at.current);
  try {
    const tarball = await download(offer, at, route);
    try {
      // The very file that was verified, whatever its name means by now.
      return await unpack(`/proc/self/fd/${tarball.fd}`, offer, at, route.signal);
    } finally {
      await tarball.close();
    }
  } catch (error) {
    // What did come before the network went is of use to the next update.
    if (!["unavailable", "cancelled"].includes(toBangerError(error).code)) await dropDownloads(at.updates);
    throw error;
  }
}

/** The tarball, exactly as it was signed. */
async function download(
  offer: Offer,
  { updates, downloaded }: StagePlace,
  route: Route,
): Promise<FileHandle> {
  const size = await sizeOf(offer, route);
  let done = 0;
  downloaded(done, size);
  try {
    return await fetchBlob(
      { digest: offer.tarball.digest, size },
      {
        source: httpFile({
          url: offer.tarball.url,
          authorities: route.authorities,
          patience: route.patience,
        }),
        ...{ cache: updates, patience: route.patience, signal: route.signal },
        onBytes: (bytes) => {
          done += bytes;
          downloaded(done, size);
        },
      },
    );
  } catch (error) {
    if (toBangerError(error).code !== "corrupt") throw error;
    throw new BangerError(
      "corrupt",
      `the tarball of v${offer.version} is not the one that was signed: nothing was installed`,
      { hint: "try again; if it stays so, tell the project", cause: error },
    );
  }
}

/** From here on it is what was released, and may be run. */
async function unpack(
  archive: string,
  offer: Offer,
  { place, current }: StagePlace,
  signal: AbortSignal,
): Promise<Staged> {
  let build: Build | undefined;
  const directory = await stageDirectory(place.versions, async (staging) => {
    const program = join(staging, "banger");
    await unpackMembers({
      ...{ archive, members: { banger: program }, alone: true },
      ...{ maxMemberBytes: maxProgram, maxBytes: maxProgram },
    });
    build = await buildOf(program, signal);
    if (build.version !== offer.version) {
      throw new BangerError(
        "corrupt",
        `the program of v${offer.version} says that it is v${build.version}: nothing was installed`,
      );
    }
    await chmod(staging, 0o755);
    const name = versionName(build);
    if (name === current)
      throw new BangerError("already_exists", `v${offer.version} is installed already, this very build`);
    return name;
  });
  if (build === undefined) throw new Error("stageDirectory has not built anything");
  const name = basename(directory);
  return { name, program: programOf(place, name), build };
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
