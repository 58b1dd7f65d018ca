/**
 * This process's stdout and stderr. They are opened by whoever writes first: a command that prints nothing, such as the
 * `true` of a guest, ends without the 1.2 ms that opening them takes.
 */
import type { Writable } from "node:stream";
import { isReaderGone } from "./guest/streams.ts";
import { escapeText } from "./output/escape.ts";

export interface ProcessOutput {
  readonly stdout: Writable;
  readonly stderr: Writable;
}

const opened = new Set<Writable>();

export const processOutput: ProcessOutput = {
  get stdout() {
    return open(process.stdout);
  },
  get stderr() {
    return open(process.stderr);
  },
};

/** Resolves when everything has been written that will be. */
export async function outputWritten(): Promise<void> {
  await Promise.all([...opened].map(flushed));
}

function open(stream: Writable): Writable {
  if (opened.has(stream)) return stream;
  opened.add(stream);
  // A reader that has gone is no failure of a command that prints: it ends as it would have, unread.
  return stream.on("error", fatalUnlessBrokenPipe);
}

function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve();
    // A failed write is reported only after its own callback, and this one's: the process ends then, see above.
    else stream.write("", () => setImmediate(resolve));
  });
}

function fatalUnlessBrokenPipe(error: Error): void {
  if (isReaderGone(error)) return;
  process.stderr.write(`banger: output failed: ${escapeText(error.message)}\n`);
  process.exit(1);
}
