/** The daemon personality. */
import { qemuDriver } from "../vmm/vmm.ts";
import { imageShelf } from "./image-shelf.ts";
import { runDaemon } from "./run.ts";

export function main(): Promise<void> {
  return runDaemon({ driver: () => qemuDriver(), shelf: imageShelf });
}
