/** The daemon personality. */
import { join } from "node:path";
import { qemuDriver } from "../vmm/vmm.ts";
import { imageShelf } from "./image-shelf.ts";
import { runDaemon } from "./run.ts";

export function main(): Promise<void> {
  return runDaemon({
    driver: (_config, paths) => qemuDriver({ probeCache: join(paths.state, "qemu-probe.json") }),
    shelf: imageShelf,
  });
}
