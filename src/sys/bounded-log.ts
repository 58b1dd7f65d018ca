/** Logs that others write, and that may not grow without end: a guest decides how much its console says. */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readSync,
  watch,
  writeSync,
} from "node:fs";

export interface LogBound {
  /** A log larger than this is cut. */
  mostBytes: number;
  /** What stays of it: its end, from the start of a line. */
  keepBytes: number;
}

/** A flood makes thousands of events a second; the log is looked at this often while it grows, and never at rest. */
const pauseMs = 1000;

/**
 * Until the signal, cuts a log that is being appended to (O_APPEND: its writer goes on at the new end) whenever it has
 * grown too large. A few lines that are written during the cut may be lost. A missing log is not waited for.
 */
export function boundLog(path: string, bound: LogBound, signal: AbortSignal): void {
  if (signal.aborted) return;
  let pause: ReturnType<typeof setTimeout> | undefined;
  let stop = () => {};
  const arm = () => {
    try {
      const watcher = watch(path, () => {
        watcher.close();
        pause = setTimeout(look, pauseMs);
        pause.unref();
      });
      watcher.on("error", () => watcher.close());
      stop = () => watcher.close();
    } catch {
      // The log was removed: nothing is left to bound.
    }
  };
  const look = () => {
    cut(path, bound);
    if (!signal.aborted) arm();
  };
  signal.addEventListener(
    "abort",
    () => {
      stop();
      clearTimeout(pause);
    },
    { once: true },
  );
  look();
}

/** In one go, so that two who bound the same log never cut twice. True when it was too large. */
export function cut(path: string, { mostBytes, keepBytes }: LogBound): boolean {
  let file: number;
  try {
    file = openSync(
      path,
      constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
  } catch {
    // Removed, or not ours to cut.
    return false;
  }
  try {
    const stat = fstatSync(file);
    if (!stat.isFile() || stat.size <= mostBytes) return false;
    const tail = Buffer.alloc(Math.min(keepBytes, stat.size));
    const bytes = tail.subarray(0, readSync(file, tail, 0, tail.length, stat.size - tail.length));
    const firstLine = bytes.indexOf("\n") + 1;
    ftruncateSync(file, 0);
    writeSync(file, bytes.subarray(firstLine));
    return true;
  } finally {
    closeSync(file);
  }
}
