/** Firecracker and its jailer as the root helper will find them. */
import { lstatSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { systemFirecracker } from "../../config/paths.ts";
import { run } from "../../sys/sys.ts";
import { type DriverProbe, parseVersion, probeFirecracker } from "../../vmm/vmm.ts";
import type { Place } from "../place.ts";
import { changeable, lookAtTrusted } from "./services.ts";

export interface VmmProgram {
  path: string;
  version: string | undefined;
  /** Why root would not run it: others could have put it there. */
  problem: string | undefined;
}

export interface FirecrackerFacts {
  firecracker: VmmProgram | undefined;
  jailer: VmmProgram | undefined;
  lookedIn: readonly string[];
  /** What runs VMs, as a driver sees it: with a boot test where this user may open /dev/kvm. */
  probe: DriverProbe;
}

/** Where the helper looks, unless /etc/banger/config.toml says otherwise. */
const directories = [join(systemFirecracker, "current"), "/usr/local/bin", "/usr/bin"];

export async function lookForFirecracker(place: Place, signal: AbortSignal): Promise<FirecrackerFacts> {
  const { config } = await lookAtTrusted();
  const find = (name: string, configured: string | undefined) =>
    (configured === undefined ? directories.map((each) => join(each, name)) : [configured])
      .map((path) => resolved(path))
      .find((path) => path !== undefined);
  const paths = {
    firecracker: find("firecracker", config.firecracker_bin),
    jailer: find("jailer", config.jailer_bin),
  };
  const cache = { path: join(place.paths.state, "firecracker-probe.json"), readOnly: true };
  const programs = [paths.firecracker ?? join(systemFirecracker, "current", "firecracker")];
  const [firecracker, jailer, probe] = await Promise.all([
    examine(paths.firecracker, /^Firecracker v/m, signal),
    examine(paths.jailer, /^Jailer v/m, signal),
    probeFirecracker({ programs, jailed: true, cache }, signal),
  ]);
  return { firecracker, jailer, probe, lookedIn: directories };
}

async function examine(
  path: string | undefined,
  own: RegExp,
  signal: AbortSignal,
): Promise<VmmProgram | undefined> {
  if (path === undefined) return undefined;
  const { stdout } = await run(path, ["--version"], { signal });
  const said = stdout.toString("utf8").replace(own, "Firecracker v");
  return { path, version: parseVersion(said), problem: changeable(path, lstatSync(path)) };
}

/** Without the link `current`, which the next installation replaces. */
function resolved(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    // It is not there.
    return undefined;
  }
}
