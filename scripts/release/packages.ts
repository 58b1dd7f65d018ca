/** The npm packages that users get: those of package-lock.json that are not only for development. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { BangerError } from "../../src/base/base.ts";

const Names = z.record(z.string(), z.string()).default({});
const Locked = z.object({
  version: z.string(),
  integrity: z.string().optional(),
  dev: z.boolean().default(false),
  dependencies: Names,
  optionalDependencies: Names,
});
const Lock = z.object({
  lockfileVersion: z.literal(3),
  packages: z.record(z.string(), z.unknown()),
});
const Licence = z.union([z.string(), z.object({ type: z.string() })]);
const Described = z.object({ license: Licence.optional(), licenses: z.array(Licence).optional() });

export interface NpmPackage {
  name: string;
  version: string;
  /** As the lockfile has it: sha512-BASE64. */
  integrity: string;
  /** SPDX, one or an expression. */
  licence: string;
  /** Files of licences and notices: name and text. */
  texts: { name: string; text: string }[];
  /** Places of what it needs, in the lockfile. */
  needs: string[];
}

export interface Packages {
  /** By their place in the lockfile. */
  shipped: ReadonlyMap<string, NpmPackage>;
  /** Places of those that banger itself asks for. */
  asked: string[];
}

/** As they are installed in `dir`. Throws corrupt for one without a digest, a licence, or a licence's text. */
export function readPackages(dir: string): Packages {
  const { packages } = readLock(dir);
  const installed = Object.keys(packages).filter((place) => place !== "" && existsSync(join(dir, place)));
  const shipped = new Map<string, NpmPackage>();
  for (const place of installed.sort()) {
    const locked = Locked.parse(packages[place]);
    if (!locked.dev) shipped.set(place, describe(dir, place, locked, installed));
  }
  const asked = Object.keys(z.object({ dependencies: Names }).parse(packages[""]).dependencies);
  return { shipped, asked: asked.sort().map((name) => `node_modules/${name}`) };
}

/** One that is not shipped as a package, by its place. */
export function lockedPackage(dir: string, place: string): { version: string; integrity: string } {
  const { version, integrity } = Locked.parse(readLock(dir).packages[place]);
  return { version, integrity: digested(place, integrity) };
}

function readLock(dir: string): z.infer<typeof Lock> {
  return Lock.parse(JSON.parse(readFileSync(join(dir, "package-lock.json"), "utf8")));
}

function describe(
  dir: string,
  place: string,
  { version, integrity, dependencies, optionalDependencies }: z.infer<typeof Locked>,
  installed: readonly string[],
): NpmPackage {
  const path = join(dir, place);
  const { license, licenses } = Described.parse(JSON.parse(readFileSync(join(path, "package.json"), "utf8")));
  const licence = [license ?? licenses ?? []].flat().map((one) => (typeof one === "string" ? one : one.type));
  const texts = readdirSync(path)
    .filter((name) => /^(?:licen[cs]e|copying|notice)(?:[.-]|$)/i.test(name))
    .sort()
    .map((name) => ({ name, text: readFileSync(join(path, name), "utf8") }));
  if (licence.length === 0 || texts.length === 0) {
    throw new BangerError("corrupt", `${place} does not say under which licence it may be given to others`, {
      hint: "use another package, or ask its authors",
    });
  }
  const needs = Object.keys({ ...dependencies, ...optionalDependencies })
    .map((name) => resolve(place, name, installed))
    .filter((found) => found !== undefined);
  return {
    ...{ name: place.slice(place.lastIndexOf("node_modules/") + "node_modules/".length), version },
    ...{ integrity: digested(place, integrity), licence: licence.join(" OR "), texts, needs: needs.sort() },
  };
}

/** Where `name` is found from `place`: in its own node_modules, else in those around it. An optional one may be nowhere. */
function resolve(place: string, name: string, installed: readonly string[]): string | undefined {
  for (let around = place; ; around = around.slice(0, around.lastIndexOf("/node_modules/"))) {
    const found = `${around}/node_modules/${name}`;
    if (installed.includes(found)) return found;
    if (!around.includes("/node_modules/")) break;
  }
  return installed.find((one) => one === `node_modules/${name}`);
}

function digested(place: string, integrity: string | undefined): string {
  if (integrity !== undefined && /^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity)) return integrity;
  throw new BangerError("corrupt", `package-lock.json has no sha512 of ${place}`);
}
