/** The files of a release, but for those that say which they are: by what is in them the same, whoever makes them where. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { archiveOf } from "./archive.ts";
import { builtProgram, setUp } from "./build.ts";
import { licencesText } from "./licences.ts";
import { lockedPackage, readPackages } from "./packages.ts";
import { sbomText } from "./sbom.ts";
import type { Source } from "./source.ts";
import { buildPackages, linkedPackages } from "./toolchain.ts";

const parts = ["agent", "egress.so", "init", "shim.so"];

/** Built in `dir`, which is made and left. `suffix` goes into each name. */
export function buildPayload(source: Source, dir: string, suffix = ""): Map<string, Buffer> {
  const { version, commit, date, epoch } = source;
  setUp(source, dir);
  const program = builtProgram(source, dir);
  const packages = readPackages(dir);
  const bun = lockedPackage(dir, "node_modules/@oven/bun-linux-x64");
  const linked = linkedPackages();
  const sbom = sbomText({
    ...{ version, commit, date, program, packages, bun, linked, compiledBy: buildPackages() },
    parts: new Map(parts.map((name) => [name, readFileSync(join(dir, "build/native", name))])),
  });
  const licences = licencesText({ dir, packages, bunVersion: bun.version, linked });
  return new Map([
    [`banger-${version}-linux-amd64${suffix}.tar.gz`, archiveOf(program, epoch)],
    [`banger-${version}${suffix}.cdx.json`, Buffer.from(sbom)],
    [`THIRD-PARTY-LICENSES${suffix}`, Buffer.from(licences)],
  ]);
}
