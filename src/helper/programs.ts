/** Programs that root starts: only such as root alone could have put there. */
import { lstatSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { parentProblem } from "../config/config.ts";
import type { Site } from "./operation.ts";
import { checkConfiguredPath, checkFirecrackerName, checkProgram } from "./policy.ts";

/** The first that is there. Throws host_missing, or denied when others could have put it there. */
export function findProgram(name: string, directories: readonly string[]): string {
  for (const place of directories) {
    const directory = resolved(place);
    if (directory === undefined) continue;
    const path = join(directory, name);
    const found = lstatSync(path, { throwIfNoEntry: false });
    // Links (merged /usr, alternatives) are passed by: what is run is what was looked at.
    if (found === undefined || found.isSymbolicLink()) continue;
    checkProgram(path, found, parentProblem(path));
    return path;
  }
  throw new BangerError("host_missing", `the program ${name} was not found in ${directories.join(" or ")}`, {
    hint:
      name === "firecracker" || name === "jailer"
        ? "install it: sudo banger firecracker install"
        : "install it with the host's package manager",
  });
}

/** Without links, which the next installation replaces: what is run is what was looked at. */
function resolved(directory: string): string | undefined {
  try {
    return realpathSync(directory);
  } catch {
    // It is not there.
    return undefined;
  }
}

export function findVmm({ config, places }: Site): { firecracker: string; jailer: string } {
  const firecracker =
    configured("firecracker_bin", config.firecracker_bin) ?? findProgram("firecracker", places.programs);
  checkFirecrackerName(firecracker);
  const jailer = configured("jailer_bin", config.jailer_bin) ?? findProgram("jailer", places.programs);
  return { firecracker, jailer };
}

function configured(key: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  checkConfiguredPath(key, path);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new BangerError("host_missing", `${key}: there is no ${path}`);
  checkProgram(path, found, parentProblem(path));
  return path;
}
