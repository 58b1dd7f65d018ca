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
  const asRoot = place.uid === 0;
  const [firecracker, jailer] = await Promise.all([
    examine(find("firecracker", config.firecracker_bin), "Firecracker", asRoot, signal),
    examine(find("jailer", config.jailer_bin), "Jailer", asRoot, signal),
  ]);
  const shunned = asRoot && firecracker?.problem !== undefined;
  return {
    ...{ firecracker, jailer, lookedIn: directories },
    probe: shunned ? untried : await probe(place, firecracker?.path, signal),
  };
}

const untried: DriverProbe = {
  ...{ driver: "firecracker", usable: false, acceleration: "none", version: "" },
  reason: "it was not tried, because root does not run it",
};

function probe({ paths }: Place, path: string | undefined, signal: AbortSignal): Promise<DriverProbe> {
  const cache = { path: join(paths.state, "firecracker-probe.json"), readOnly: true };
  return probeFirecracker({ programs: path === undefined ? [] : [path], jailed: true, cache }, signal);
}

/** As the helper looks for it: links are passed by, but for `current`, which is a directory. */
function find(name: string, configured: string | undefined): string | undefined {
  const paths =
    configured === undefined ? directories.map((each) => join(resolved(each), name)) : [configured];
  return paths.find((path) => lstatSync(path, { throwIfNoEntry: false })?.isFile());
}

function resolved(directory: string): string {
  try {
    return realpathSync(directory);
  } catch {
    // It is not there, and nothing is in it.
    return directory;
  }
}

/** What others could have put there is not run by root, not even for its version. */
async function examine(
  path: string | undefined,
  name: "Firecracker" | "Jailer",
  asRoot: boolean,
  signal: AbortSignal,
): Promise<VmmProgram | undefined> {
  if (path === undefined) return undefined;
  const problem = changeable(path, lstatSync(path));
  if (problem !== undefined && asRoot) return { path, version: undefined, problem };
  const { stdout } = await run(path, ["--version"], { signal });
  return { path, version: parseVersion(stdout.toString("utf8"), name), problem };
}
