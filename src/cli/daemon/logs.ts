/** banger daemon logs */
import { createReadStream, watch } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { BangerError } from "../../base/base.ts";
import { defineCommand } from "../command.ts";
import { toggle } from "../flags.ts";
import { showLog } from "../output/log-stream.ts";

export const command = defineCommand({
  summary: "show the daemon's log (JSON lines)",
  examples: [
    { command: "daemon logs", note: "all of it" },
    { command: "daemon logs -f | jq -r .message", note: "the messages, as they come" },
  ],
  args: {},
  flags: { follow: toggle("go on as it grows", "f") },
  run: async ({ follow }, ctx) => {
    const path = (await ctx.paths()).daemonLog;
    const file = await open(path, "r").catch((error) => {
      throw new BangerError("not_found", `there is no daemon log at ${path}`, {
        cause: error,
        hint: "the daemon has not run yet",
      });
    });
    await file.close();
    const bytes = follow
      ? Readable.from(grow(path, ctx.signal), { objectMode: false })
      : createReadStream(path);
    await showLog(ctx, bytes);
    return undefined;
  },
});

/** The file and what is appended to it, woken by inotify; begins again with a new file when the log is rotated. */
async function* grow(path: string, signal: AbortSignal): AsyncGenerator<Buffer> {
  let file = await open(path, "r");
  let wake = () => {};
  let changed = true;
  const onChange = () => {
    changed = true;
    wake();
  };
  const watcher = watch(path.slice(0, path.lastIndexOf("/")), onChange);
  signal.addEventListener("abort", onChange, { once: true });
  try {
    let position = 0;
    while (!signal.aborted) {
      changed = false;
      const { bytesRead, buffer } = await file.read(Buffer.alloc(65_536), 0, 65_536, position);
      position += bytesRead;
      if (bytesRead > 0) {
        yield buffer.subarray(0, bytesRead);
        continue;
      }
      const next = await open(path, "r").catch(() => undefined);
      const [here, there] = [await file.stat(), await next?.stat()];
      if (next !== undefined && there !== undefined && (there.ino !== here.ino || there.size < position)) {
        await file.close();
        file = next;
        position = 0;
        continue;
      }
      await next?.close();
      if (!changed) await new Promise<void>((resolve) => (wake = resolve));
    }
  } finally {
    watcher.close();
    signal.removeEventListener("abort", onChange);
    await file.close();
  }
}
