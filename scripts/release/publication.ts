/** A release in a directory beside those before it: VERSION/, and manifest.json and install.sh, which are of all. */
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../../src/base/base.ts";
import { atomicWrite, cleanStaging, stageDirectory } from "../../src/sys/sys.ts";
import { type Manifest, manifestText, parseManifest, withRelease } from "./manifest.ts";
import type { ReleaseKey } from "./signing.ts";
import { type Files, sumsText } from "./sums.ts";

export interface Publication {
  out: string;
  version: string;
  date: string;
  baseUrl: URL | undefined;
}

const sumsName = "SHA256SUMS";

/** Throws already_exists for a version that is there, corrupt for a manifest that could not be written anew. */
export function checkPlace({ out, version }: Pick<Publication, "out" | "version">): Manifest | undefined {
  if (existsSync(join(out, version))) {
    throw new BangerError(
      "already_exists",
      `${join(out, version)} is there: version ${version} was released`,
      {
        hint: "a version is never used again: raise it in package.json; if nobody has that release, remove the directory",
      },
    );
  }
  const path = join(out, "manifest.json");
  return existsSync(path) ? parseManifest(readFileSync(path, "utf8"), path) : undefined;
}

/** What updaters and the installer find: last the manifest, which leads to the rest. */
export async function writeRelease(
  publication: Publication & { files: Files; key: ReleaseKey; installer: string },
): Promise<string> {
  const { out, version, date, baseUrl, files, key, installer } = publication;
  const before = checkPlace(publication);
  const address = (name: string) =>
    baseUrl === undefined ? `${version}/${name}` : new URL(`${version}/${name}`, baseUrl).href;
  const tarball = `banger-${version}-linux-amd64.tar.gz`;
  const manifest = withRelease(before, version, {
    ...{ tarball: address(tarball), sums: address(sumsName), sig: address(`${sumsName}.sig`), date },
  });
  const text = manifestText(manifest);
  const place = await stage(out, version, (dir) => {
    write(dir, new Map([...files, [sumsName, Buffer.from(sumsText({ version, date, files }))]]));
    write(dir, new Map([[`${sumsName}.sig`, Buffer.from(key.sign(join(dir, sumsName)))]]));
  });
  await atomicWrite(join(out, "install.sh"), installer, { mode: 0o755 });
  await atomicWrite(join(out, "manifest.json"), text, { mode: 0o644 });
  return place;
}

/** For trying it: no manifest leads there, and the names say what it is not. Takes the place of an earlier one. */
export function writeUnsigned(publication: Publication & { files: Files }): Promise<string> {
  const { out, version, date, files } = publication;
  const name = `${version}-UNSIGNED`;
  rmSync(join(out, name), { recursive: true, force: true });
  return stage(out, name, (dir) => {
    const sums = Buffer.from(sumsText({ version: name, date, files }));
    write(dir, new Map([...files, [`${sumsName}-UNSIGNED`, sums]]));
  });
}

/** Whole or not at all; what an interrupted one left goes first. */
async function stage(out: string, name: string, fill: (dir: string) => void): Promise<string> {
  mkdirSync(out, { recursive: true });
  await cleanStaging(out, (_, error) => {
    throw error;
  });
  return stageDirectory(out, async (dir) => {
    fill(dir);
    // It is served to others.
    chmodSync(dir, 0o755);
    return name;
  });
}

function write(dir: string, files: Files): void {
  for (const [name, content] of files) writeFileSync(join(dir, name), content, { mode: 0o644, flag: "wx" });
}
