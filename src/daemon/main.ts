/** The daemon personality: on demand, as the user who calls, or as a service of the system, for its owner. */
import { join } from "node:path";
import { toBangerError } from "../base/base.ts";
import { qemuDriver } from "../vmm/vmm.ts";
import { imageShelf } from "./image-shelf.ts";
import { type DaemonPlace, systemPlace, userPlace } from "./place.ts";
import { runDaemon } from "./run.ts";

export async function main(words: readonly string[]): Promise<void> {
  let place: DaemonPlace;
  try {
    place = words.includes("--system") ? systemPlace() : userPlace();
  } catch (error) {
    const { message, hint } = toBangerError(error);
    process.stderr.write(`bangerd: ${message}\n${hint === undefined ? "" : `  hint: ${hint}\n`}`);
    process.exit(1);
  }
  return runDaemon(
    {
      driver: (_config, paths) => qemuDriver({ probeCache: join(paths.state, "qemu-probe.json") }),
      shelf: imageShelf,
    },
    place,
  );
}
