/** What is in the executable, as CycloneDX 1.6 in JSON (ECMA-424). Nothing in it depends on where or when it was made. */

import type { NpmPackage, Packages } from "./packages.ts";
import { sha256 } from "./sums.ts";
import type { DebianPackage } from "./toolchain.ts";

export interface SbomOf {
  version: string;
  commit: string;
  /** RFC 3339, in UTC. */
  date: string;
  program: Uint8Array;
  packages: Packages;
  bun: { version: string; integrity: string };
  /** Compiled C, by its name in the executable. */
  parts: ReadonlyMap<string, Uint8Array>;
  linked: readonly DebianPackage[];
  /** With what the C was compiled. */
  compiledBy: readonly { name: string; version: string }[];
}

export function sbomText(of: SbomOf): string {
  const { version, commit, date, program, packages, linked, compiledBy } = of;
  const digest = sha256(program);
  const npm = [...packages.shipped].map(([place, one]) => ({ place, ref: npmPurl(one), one }));
  const refAt = (place: string) => npm.find((entry) => entry.place === place)?.ref;
  const refsAt = (places: readonly string[]) => unique(places.map(refAt).filter((ref) => ref !== undefined));
  const bun = bunComponent(of);
  const parts = [...of.parts].map(([name, content]) => partComponent(name, version, content));
  const debian = linked.map(debianComponent);
  const components = [...npm.map(({ one, ref }) => npmComponent(one, ref)), bun, ...parts, ...debian];
  const ofParts = [...parts, bun].map((component) => component["bom-ref"]);
  return `${JSON.stringify(
    {
      bomFormat: "CycloneDX",
      specVersion: "1.6",
      serialNumber: serialNumber(digest),
      version: 1,
      metadata: {
        timestamp: date,
        component: {
          ...{ type: "application", "bom-ref": `banger@${version}`, name: "banger", version },
          ...{ hashes: [{ alg: "SHA-256", content: digest }], licenses: licences("MIT") },
        },
        properties: [
          { name: "banger:commit", value: commit },
          ...compiledBy.map((one) => ({ name: `banger:compiled-by:${one.name}`, value: one.version })),
        ],
      },
      components: sorted(components),
      dependencies: [
        dependency(`banger@${version}`, [...refsAt(packages.asked), ...ofParts]),
        ...npm.map(({ one, ref }) => dependency(ref, refsAt(one.needs))),
        dependency(bun["bom-ref"], []),
        // Shared objects have the C library of where they are loaded, and of the compiler as little as any.
        ...parts.map((part) =>
          dependency(
            part["bom-ref"],
            debian.map((one) => one["bom-ref"]),
          ),
        ),
        ...debian.map((one) => dependency(one["bom-ref"], [])),
      ],
    },
    null,
    2,
  )}\n`;
}

function npmComponent({ name, version, integrity, licence }: NpmPackage, purl: string) {
  return {
    ...{ type: "library", "bom-ref": purl, name, version, purl },
    ...{ hashes: [sha512(integrity)], licenses: licences(licence) },
  };
}

function bunComponent({ bun }: SbomOf) {
  const purl = `pkg:npm/%40oven/bun-linux-x64@${bun.version}`;
  return {
    ...{ type: "platform", "bom-ref": purl, name: "bun", version: bun.version, purl },
    description:
      "the runtime that the executable is, with JavaScriptCore and the libraries its licence lists",
    ...{ hashes: [sha512(bun.integrity)], licenses: licences("MIT AND LGPL-2.0-only") },
  };
}

function partComponent(name: string, version: string, content: Uint8Array) {
  return {
    ...{
      type: "library",
      "bom-ref": `banger-native/${name}@${version}`,
      name: `banger-native/${name}`,
      version,
    },
    ...{ hashes: [{ alg: "SHA-256", content: sha256(content) }], licenses: licences("MIT") },
  };
}

function debianComponent({ name, version, licence, what }: DebianPackage) {
  const purl = `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=amd64`;
  return {
    ...{ type: "library", "bom-ref": purl, name, version, description: what },
    ...{ licenses: licences(licence), purl },
  };
}

/** As the purl specification has it: the @ of a scope is encoded. */
function npmPurl({ name, version }: NpmPackage): string {
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** The lockfile's base64 is the registry's; CycloneDX wants hexadecimal digits. */
function sha512(integrity: string) {
  const content = Buffer.from(integrity.slice("sha512-".length), "base64").toString("hex");
  return { alg: "SHA-512", content };
}

function licences(spdx: string) {
  return / (?:AND|OR|WITH) /.test(spdx) ? [{ expression: spdx }] : [{ license: { id: spdx } }];
}

function dependency(ref: string, dependsOn: readonly string[]) {
  return { ref, dependsOn: unique(dependsOn) };
}

function unique(refs: readonly string[]): string[] {
  return [...new Set(refs)].sort();
}

/** Two places of one package in the lockfile are one component. */
function sorted<T extends { "bom-ref": string }>(components: readonly T[]): T[] {
  const byRef = new Map(components.map((component) => [component["bom-ref"], component]));
  return [...byRef.values()].sort((a, b) => (a["bom-ref"] < b["bom-ref"] ? -1 : 1));
}

/** A UUID of version 8 (RFC 9562: what is in it is ours), which is the executable's. */
function serialNumber(digest: string): string {
  const hex = `${digest.slice(0, 12)}8${digest.slice(13, 16)}8${digest.slice(17, 32)}`;
  return `urn:uuid:${hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5")}`;
}
