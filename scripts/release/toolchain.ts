/** What the build takes from Debian: compilers and libraries whose code is in what users get, and their licences. */
import { readFileSync } from "node:fs";
import { BangerError } from "../../src/base/base.ts";
import { runTool } from "../publish/tool.ts";

export interface DebianPackage {
  name: string;
  version: string;
  /** SPDX. */
  licence: string;
  /** What of it is in which part. */
  what: string;
  /** The file with its licences. */
  path: string;
}

/** Their code is linked into the guest's init and agent. Throws host_missing. */
export function linkedPackages(): DebianPackage[] {
  const major = runTool("gcc", ["-dumpversion"]).toString().trim().split(".")[0] ?? "";
  return [
    {
      ...{ name: "musl-dev", licence: "MIT", path: "/usr/share/doc/musl-dev/copyright" },
      what: "the C library, linked statically into the guest's init and agent",
    },
    {
      ...{ name: `libgcc-${major}-dev`, licence: "GPL-3.0-or-later WITH GCC-exception-3.1" },
      path: `/usr/share/doc/libgcc-${major}-dev/copyright`,
      what: "start-up code and arithmetic of the compiler, in all native parts",
    },
  ].map((one) => ({ ...one, version: debianVersion(one.name) }));
}

/** What has to be the same for a build to give the same bytes. */
export function buildPackages(): { name: string; version: string }[] {
  const compiler = `gcc-${runTool("gcc", ["-dumpversion"]).toString().trim().split(".")[0] ?? ""}`;
  return [compiler, "binutils", "libc6-dev", "musl-dev"].map((name) => ({
    ...{ name, version: debianVersion(name) },
  }));
}

function debianVersion(name: string): string {
  // "NAME VERSION" with a tab between.
  return runTool("dpkg-query", ["--show", name]).toString().trim().split("\t")[1] ?? "";
}

/** A text that Debian has beside the package, or for all packages. Throws host_missing where documents are left out. */
export function licenceFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new BangerError("host_missing", `${path} is not there, and its text has to go with the release`, {
      hint: "this machine leaves out packages' documents (/etc/dpkg/dpkg.cfg.d): build on one that does not",
      cause,
    });
  }
}
