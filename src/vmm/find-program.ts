/** Where a program is, with the PATH that host programs get. */
import { accessSync, constants, statSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { cleanEnvironment } from "../sys/sys.ts";

/** The path of a program given by name or by absolute path; undefined when it is not there, or cannot be run. */
export function findProgram(program: string): string | undefined {
  if (isAbsolute(program)) return isExecutable(program) ? program : undefined;
  const dirs = (cleanEnvironment().PATH ?? "").split(":").filter((dir) => dir !== "");
  return dirs.map((dir) => join(dir, program)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Not there.
    return false;
  }
}
