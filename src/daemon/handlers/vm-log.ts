/** A VM's log as bytes: its console's, its VMM's, or the daemon's lines that are about it. */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { VmId } from "../../base/base.ts";
import type { Params } from "../../rpc/rpc.ts";
import { vmFiles } from "../../vm/vm.ts";
import type { Parts } from "../parts.ts";
import { followFile } from "./follow.ts";
import { startOfLast } from "./last-lines.ts";

type Wanted = Omit<Params<"vm.logs">, "ref"> & { id: VmId };

/** What writes it into a stream, until its end or the reader's. */
export async function vmLog(
  { paths }: Pick<Parts, "paths">,
  { id, source, follow, tail }: Wanted,
): Promise<(to: Duplex) => void> {
  const files = vmFiles(paths.vm, id);
  const path = { console: files.consoleLog, vmm: files.vmmLog, daemon: paths.daemonLog }[source];
  // Made when it is not there yet, so that following a VM that has never run waits for its first line.
  await (await open(path, "a", 0o600)).close();
  const isWanted = source === "daemon" ? aboutVm(id) : undefined;
  const from = tail === undefined ? 0 : await startOfLast(path, tail, isWanted);
  return (to) => {
    const bytes = follow ? followFile(path, to, from) : createReadStream(path, { start: from });
    const lines = isWanted === undefined ? bytes : linesThat(bytes, isWanted);
    // A reader that goes away ends the copy: that is how following ends.
    pipeline(lines, to).catch(() => to.destroy());
  };
}

function aboutVm(id: VmId): (line: Buffer) => boolean {
  const mention = `"${id}"`;
  return (line) => {
    // Most lines are about others, and need not be parsed.
    if (!line.includes(mention)) return false;
    try {
      const said: unknown = JSON.parse(line.toString());
      return typeof said === "object" && said !== null && Reflect.get(said, "vm") === id;
    } catch {
      // Of a full disk: half a line.
      return false;
    }
  };
}

const newline = Buffer.from("\n");

export async function* linesThat(
  bytes: AsyncIterable<Buffer>,
  wanted: (line: Buffer) => boolean,
): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of bytes) {
    let text: Buffer = Buffer.concat([rest, chunk]);
    for (let end = text.indexOf(10); end !== -1; end = text.indexOf(10)) {
      const line = text.subarray(0, end);
      text = text.subarray(end + 1);
      if (wanted(line)) yield Buffer.concat([line, newline]);
    }
    rest = text;
  }
}
