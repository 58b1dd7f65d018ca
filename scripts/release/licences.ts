/** THIRD-PARTY-LICENSES: the texts that have to go with what others have written and the executable holds. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../../src/base/base.ts";
import type { Packages } from "./packages.ts";
import { type DebianPackage, licenceFile } from "./toolchain.ts";

export interface LicencesOf {
  /** The checkout that was built, with its dependencies. */
  dir: string;
  packages: Packages;
  bunVersion: string;
  linked: readonly DebianPackage[];
}

/** Of the libraries in Bun; what its own text says of them are names. */
const alsoNamed = ["LGPL-2", "LGPL-2.1", "Apache-2.0"];

export function licencesText({ dir, packages, bunVersion, linked }: LicencesOf): string {
  const sections = [...packages.shipped.values()]
    .map(({ name, version, licence, texts }) => ({
      title: `${name} ${version} (${licence})`,
      text: texts.map(({ text }) => text.trim()).join("\n\n"),
    }))
    .sort((a, b) => (a.title < b.title ? -1 : 1));
  sections.push({ title: `Bun ${bunVersion}`, text: bunLicence(dir) });
  for (const { name, version, licence, what, path } of linked)
    sections.push({ title: `${name} ${version} (${licence}): ${what}`, text: licenceFile(path).trim() });
  for (const name of alsoNamed)
    sections.push({
      title: `${name}, of libraries in Bun`,
      text: licenceFile(`/usr/share/common-licenses/${name}`).trimEnd(),
    });
  const line = "=".repeat(80);
  return [
    "banger is under the MIT licence (LICENSE in its source). Its executable holds what follows, too.",
    ...sections.map(({ title, text }) => `${line}\n${title}\n${line}\n\n${text.replaceAll("\r\n", "\n")}`),
    "",
  ].join("\n\n");
}

/** Bun's package has no text; that of its types, of the same version, has it among the documentation. */
function bunLicence(dir: string): string {
  const path = "node_modules/bun-types/docs/project/license.mdx";
  try {
    return readFileSync(join(dir, path), "utf8").trim();
  } catch (cause) {
    throw new BangerError("corrupt", `Bun's licence is not in ${path} any more`, {
      hint: "find where this version of Bun has it",
      cause,
    });
  }
}
