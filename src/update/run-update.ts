/** `banger update`, in its order: docs/updating.md. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { currentVersion, type InstalledPlace, installedPlace, programOf } from "../config/config.ts";
import { patience, signatureKey, trustedAuthorities } from "../download/download.ts";
import { releaseKey, releasesAt } from "../release/release.ts";
import { removeTree } from "../sys/sys.ts";
import { buildOf } from "./build.ts";
import { carryOut, sweep, type Version } from "./change.ts";
import { refuseWhileUsed } from "./in-use.ts";
import { fetchManifest, fetchOffer, type Offer, type Route } from "./offer.ts";
import { resume } from "./resume.ts";
import { checkNotOlder, recallLatest, rememberIfAllowed } from "./seen.ts";
import type { Services } from "./services.ts";
import { dropDownloads, type Staged, stage } from "./stage.ts";
import { compareVersions, isStable } from "./versions.ts";

export interface UpdateRequest {
  /** Only say what there is. */
  check: boolean;
  /** Another version than the latest, an older one, too. */
  to: string | undefined;
  /** All but the change itself. */
  dryRun: boolean;
  /** Also while others have something under way. */
  force: boolean;
  /** In place of where releases are, and of the key that they are signed with. */
  manifestUrl: URL | undefined;
  publicKey: string | undefined;
}

/** Who is told how far it is. */
export interface Told {
  say(line: string): void;
  /** Of a release, in bytes. */
  downloaded(done: number, total: number): void;
}

export interface UpdateWorld extends Told {
  /** This very program, without links in its path. */
  executable: string;
  version: string;
  uid: number;
  env: Readonly<Record<string, string | undefined>>;
  services(place: InstalledPlace, updates: string): Promise<Services>;
  /** Checks of the doctor's that fail now. */
  failing(): Promise<string[]>;
  /** The line that does it as root. */
  asRoot: string;
  now(): Date;
  signal: AbortSignal;
}

export interface Updated {
  outcome: "current" | "available" | "ready" | "updated";
  installed: string;
  version: string;
  /** When it was signed. */
  date: string;
}

const dayMs = 24 * 60 * 60 * 1000;

/** Throws what the release, the machine or the installation do not allow; then what was installed before is there, and runs. */
export async function runUpdate(request: UpdateRequest, world: UpdateWorld): Promise<Updated> {
  // What root writes here, others read.
  process.umask(0o022);
  const key = keyFor(request, world);
  const manifestUrl = manifestFor(request, world);
  const found = installedPlace(world.executable);
  const route: Route = {
    authorities: (host) => trustedAuthorities(world.env, host),
    ...{ patience, signal: world.signal },
  };
  const look = async (installed: string, updates: string | undefined) => {
    const offer = await chosen(request, manifestUrl, key, route, updates);
    refuseOlder(request, offer, installed);
    if (Date.parse(offer.date) - world.now().getTime() > dayMs)
      world.say(
        `warning: v${offer.version} was signed on ${offer.date}: is the clock of this machine right?`,
      );
    return offer;
  };
  const report = (outcome: Updated["outcome"], installed: string, { version, date }: Offer): Updated => ({
    ...{ outcome, installed, version, date },
  });
  if (request.check) {
    const current = found === undefined ? undefined : currentVersion(found);
    const installed = current === undefined ? world.version : current.slice(0, current.lastIndexOf("-"));
    const offer = await look(installed, found && updatesIn(found));
    return report(offer.version === installed ? "current" : "available", installed, offer);
  }
  const place = await changeable(found, world);
  const updates = updatesIn(place);
  const services = await world.services(place, updates);
  return services.exclusively(async () => {
    await resume({ place, updates, services, request, say: world.say }, world.signal);
    const current = currentVersion(place);
    if (current === undefined) throw notInstalled(world);
    const from: Version = { name: current, build: await buildOf(programOf(place, current), world.signal) };
    const installed = from.build.version;
    const offer = await look(installed, updates);
    if (offer.version === installed && request.to === undefined) {
      await sweep(place, updates, current);
      return report("current", installed, offer);
    }
    if (!request.force) refuseWhileUsed(await services.operations());
    world.say(`downloading v${offer.version}, signed on ${offer.date.slice(0, 10)}`);
    const staged = await stage(offer, { place, updates, current, downloaded: world.downloaded }, route);
    try {
      world.say("its signature and its checksum are right");
      const migrates = await checkMigrations(services, staged, world.signal);
      if (request.dryRun) {
        await dropDownloads(updates);
        return report("ready", installed, offer);
      }
      const failing = await world.failing();
      if (!request.force) refuseWhileUsed(await services.operations());
      const to = { name: staged.name, build: staged.build };
      await carryOut({ place, updates, services, from, to, failing, migrates, say: world.say }, world.signal);
      return report("updated", installed, offer);
    } finally {
      // Unless it is the current one by now.
      if (currentVersion(place) !== staged.name) await removeTree(join(place.versions, staged.name));
    }
  });
}

const updatesIn = ({ library }: InstalledPlace) => join(library, "updates");

function keyFor({ publicKey = releaseKey }: UpdateRequest, { executable }: UpdateWorld) {
  if (publicKey !== undefined) return signatureKey(publicKey);
  throw new BangerError(
    "precondition",
    "this banger has no key to verify releases with: the one in its source is a placeholder",
    {
      hint:
        installedPlace(executable) === undefined
          ? "it was built from source: update that (git pull), and build it again (npm run build)"
          : "install a release by its install.sh, which brings the key; or build a newer source, and sudo dist/banger system install --owner USER",
    },
  );
}

function manifestFor({ manifestUrl }: UpdateRequest, { env }: UpdateWorld): URL {
  if (manifestUrl !== undefined) return manifestUrl;
  const directory = env.BANGER_RELEASES?.replace(/\/$/, "") || releasesAt;
  if (directory !== undefined && URL.canParse(`${directory}/manifest.json`))
    return new URL(`${directory}/manifest.json`);
  throw new BangerError("precondition", "this banger does not know where releases are", {
    hint: "say it: BANGER_RELEASES=https://... banger update",
  });
}

/** Throws precondition for a program that was not installed so that it can be replaced, denied for one of somebody else's. */
async function changeable(place: InstalledPlace | undefined, world: UpdateWorld): Promise<InstalledPlace> {
  if (place === undefined || currentVersion(place) === undefined) throw notInstalled(world);
  const { uid } = await stat(place.versions);
  if (uid === world.uid) return place;
  throw new BangerError(
    "denied",
    uid === 0 ? "banger update needs root" : `${place.link} is of user ${uid}, and is theirs to update`,
    { hint: uid === 0 ? world.asRoot : "run it as that user, without sudo" },
  );
}

function notInstalled({ executable }: UpdateWorld): BangerError {
  return new BangerError(
    "precondition",
    `${executable} was not installed by install.sh or banger system install, and cannot replace itself`,
    {
      hint: "built from source: git pull && npm run build; else install a release by install.sh (--user, or as services)",
    },
  );
}

/** The release that is meant, its signature verified. */
async function chosen(
  request: UpdateRequest,
  at: URL,
  key: ReturnType<typeof signatureKey>,
  route: Route,
  updates: string | undefined,
): Promise<Offer> {
  const manifest = await fetchManifest(at, route);
  if (request.to !== undefined) return fetchOffer(request.to, manifest, at, key, route);
  if (manifest.latest_stable === null) {
    throw new BangerError("not_found", "there is no release yet but such as come before one", {
      hint: `if you want one of these, say so: --to v${Object.keys(manifest.releases)[0] ?? "X.Y.Z"}`,
    });
  }
  if (!isStable(manifest.latest_stable)) {
    throw new BangerError(
      "denied",
      `the list of releases names v${manifest.latest_stable} as the latest, which comes before a release: nothing was installed`,
      { hint: `if you want it, say so: --to v${manifest.latest_stable}` },
    );
  }
  const offer = await fetchOffer(manifest.latest_stable, manifest, at, key, route);
  if (updates === undefined) return offer;
  const seen = await recallLatest(updates);
  checkNotOlder(offer, seen);
  if (seen?.version !== offer.version) await rememberIfAllowed(updates, offer, request.check);
  return offer;
}

/** By an accident or by somebody's will nobody goes back to what has been mended since. */
function refuseOlder({ to }: UpdateRequest, { version }: Offer, installed: string): void {
  if (to !== undefined || installed === "dev" || compareVersions(version, installed) >= 0) return;
  throw new BangerError(
    "denied",
    `v${installed} is installed, which is newer than the latest release, v${version}`,
    {
      hint: `if you want the older one, say so: --to v${version}`,
    },
  );
}

/** True when the new version will change the database for good. Throws bad_version when it cannot read it. */
async function checkMigrations(services: Services, staged: Staged, signal: AbortSignal): Promise<boolean> {
  const { status, said } = await services.stateTask(staged.program, "--check-migrations", signal);
  if (status === 0 || status === 1) return status === 1;
  throw new BangerError(
    "bad_version",
    `v${staged.build.version} cannot read the database of this one: ${said || `status ${status}`}`,
    { hint: "nothing was changed; banger doctor says how the database is" },
  );
}
