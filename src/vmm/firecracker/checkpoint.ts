/**
 * A machine that is saved and runs on. It stands still while Firecracker writes its memory and the state of its devices, and
 * while its disks are copied; in this order, because between the two requests Firecracker may still carry out what the guest
 * had asked of its disks: memory that knows nothing of that yet asks for the same once more. The files are taken out of the
 * jail when it runs again.
 */
import type { CheckpointRequest } from "../vmm.ts";
import { FirecrackerApi } from "./api.ts";
import { runFiles } from "./jailer.ts";
import { turn } from "./pause.ts";
import { forgetSaved, type Run, takeSaved, writeSaved } from "./save.ts";

const goOnMs = 120_000;

export async function checkpoint(
  { here, there }: Run,
  { to, whenHalted }: Pick<CheckpointRequest, "to" | "whenHalted">,
  signal?: AbortSignal,
): Promise<{ haltedMs: number }> {
  const socket = runFiles(here).api;
  const api = new FirecrackerApi(socket);
  const ran = (await api.instance(signal)).state === "Running";
  // Of one that was cut short.
  await forgetSaved(here);
  const began = performance.now();
  try {
    try {
      await turn(socket, "Paused", signal);
      // To its end: cancelled, it would be carried out all the same, and whoever lets the machine go on wait behind it.
      await writeSaved(api, there);
      signal?.throwIfAborted();
      await whenHalted?.();
    } finally {
      if (ran) await turn(socket, "Running", AbortSignal.timeout(goOnMs));
    }
    const haltedMs = performance.now() - began;
    await takeSaved(here, to, signal);
    return { haltedMs };
  } finally {
    await forgetSaved(here);
  }
}
