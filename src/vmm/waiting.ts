/** Waiting for what a VMM does, and giving it up. */
import { existsSync, watch } from "node:fs";
import { dirname } from "node:path";
import { BangerError } from "../base/base.ts";

/** The error of a wait that its caller gave up; the caller's own when it gave one. */
export function cancelled(reason: unknown): BangerError {
  return reason instanceof BangerError
    ? reason
    : new BangerError("cancelled", "cancelled", { cause: reason });
}

/** Resolves when a file is there; its directory must be. Woken by inotify. */
export async function appeared(path: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const there = Promise.withResolvers<void>();
  const onAbort = () => there.reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const watcher = watch(dirname(path), () => existsSync(path) && there.resolve());
  watcher.on("error", there.reject);
  try {
    if (existsSync(path)) there.resolve();
    await there.promise;
  } finally {
    watcher.close();
    signal.removeEventListener("abort", onAbort);
  }
}
