/** The daemon personality: on demand, as the user who calls, or as a service of the system, for its owner. */
import { toBangerError } from "../base/base.ts";
import { imageShelf } from "./image-shelf.ts";
import { type DaemonPlace, systemPlace, userPlace } from "./place.ts";
import { runDaemon } from "./run.ts";
import { runStateTask, stateTask } from "./state-words.ts";

export async function main(words: readonly string[]): Promise<void> {
  let place: DaemonPlace;
  try {
    place = words.includes("--system") ? systemPlace() : userPlace();
  } catch (error) {
    const { message, hint } = toBangerError(error);
    process.stderr.write(`bangerd: ${message}\n${hint === undefined ? "" : `  hint: ${hint}\n`}`);
    process.exit(1);
  }
  const task = stateTask(words);
  if (task !== undefined) process.exit(await runStateTask(task, place));
  // Each mode's parts are loaded by the daemon that needs them.
  const platform =
    place.mode === "system"
      ? (await import("./system/platform.ts")).systemPlatform
      : (await import("./platform.ts")).userPlatform;
  return runDaemon({ platform, shelf: imageShelf }, place);
}
