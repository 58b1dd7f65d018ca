/** manifest.json as it is written. How it is read: src/update/manifest.ts. */
import { z } from "zod";
import { BangerError } from "../../src/base/base.ts";
import { address, maxManifest } from "../../src/update/manifest.ts";
import { compareVersions, isStable, Version } from "../../src/update/versions.ts";

const Release = z.strictObject({
  tarball: address,
  sums: address,
  sig: address,
  /** RFC 3339, in UTC. */
  date: z.iso.datetime(),
});
export type Release = z.infer<typeof Release>;

/** Strict, where readers are not: what is not known here would be lost. */
const Manifest = z.strictObject({
  schema_version: z.literal(1),
  /** Null while there were only versions before a first one. */
  latest_stable: Version.nullable(),
  /** By version, newest first. */
  releases: z.record(Version, Release),
});
export type Manifest = z.infer<typeof Manifest>;

/** Throws corrupt for what is no manifest, or one of another schema: what it says would be lost. */
export function parseManifest(text: string, path: string): Manifest {
  const wrong = (why: string) => new BangerError("corrupt", `${path} is no manifest of releases: ${why}`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw wrong("it is no JSON");
  }
  const parsed = Manifest.safeParse(value);
  if (!parsed.success) {
    const { path: at = [], message } = parsed.error.issues[0] ?? { message: "unknown" };
    throw wrong(`${at.join(".") || "it"}: ${message}`);
  }
  return parsed.data;
}

/** With one release more. Throws already_exists for a version that was released before: others have it. */
export function withRelease(manifest: Manifest | undefined, version: string, release: Release): Manifest {
  const before = manifest?.releases ?? {};
  if (Object.hasOwn(before, version)) {
    throw new BangerError("already_exists", `version ${version} was released before`, {
      hint: "a version is never used again: raise it in package.json",
    });
  }
  const later = Object.entries(before).find(([, { date }]) => Date.parse(date) > Date.parse(release.date));
  if (later !== undefined) {
    throw new BangerError(
      "precondition",
      `version ${later[0]} is of ${later[1].date}, which is later than ${release.date}`,
      {
        hint: "banger update takes a list that goes back in time for an old one: commit anew, so that the date is today's",
      },
    );
  }
  const releases = Object.entries({ ...before, [version]: release }).sort(([a], [b]) =>
    compareVersions(b, a),
  );
  return {
    schema_version: 1,
    latest_stable: releases.find(([name]) => isStable(name))?.[0] ?? null,
    releases: Object.fromEntries(releases),
  };
}

/** What is written is what is read. */
export function manifestText(manifest: Manifest): string {
  const text = `${JSON.stringify(Manifest.parse(manifest), null, 2)}\n`;
  if (Buffer.byteLength(text) > maxManifest)
    throw new Error(`the manifest has more than ${maxManifest} bytes`);
  return text;
}
