/** An archive of one guest made into one for another: read as strictly as for this host, and written anew. */
import { BangerError } from "../base/base.ts";
import { type TarEntry, type TarMember, TarReader, tarEnd, tarHeader, tarPadding } from "../tar/tar.ts";
import { GuestArchive } from "./guest-archive.ts";

export interface RelayOptions {
  /** What the tree is called there; "": a directory's content without itself. */
  name: string;
  onBytes?: (count: number) => void;
  warn?: (message: string) => void;
}

const slash = Buffer.from("/");
const zeros = Buffer.alloc(64 * 1024);

/** Set-id bits are dropped; devices, pipes and hard links left out. */
export async function* relayTar(
  tar: AsyncIterable<Uint8Array>,
  { name, onBytes, warn }: RelayOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const archive = new GuestArchive();
  const prefix = name === "" ? [] : [Buffer.from(name)];
  /** What is to go out; a number is so many zeros. */
  const out: (Buffer | number)[] = [];
  let padding = 0;
  let leftOut = 0;
  const reader = new TarReader({
    entry: (entry) => {
      const parts = [...prefix, ...archive.place(entry)];
      padding = tarPadding(entry.sizeBytes);
      const kind = kindOf(entry);
      if (kind === undefined) leftOut += 1;
      else if (parts.length > 0) out.push(headerOf(entry, kind, parts));
      else if (kind !== "directory")
        throw new BangerError("corrupt", "the guest sent a file where a directory was asked for");
    },
    data: (chunk) => {
      out.push(chunk);
      onBytes?.(chunk.length);
    },
    hole: (bytes) => void out.push(bytes),
    end: () => void out.push(padding),
  });
  for await (const chunk of tar) {
    reader.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    for (const piece of out.splice(0)) {
      if (typeof piece !== "number") yield piece;
      else for (let left = piece; left > 0; left -= zeros.length) yield zeros.subarray(0, left);
    }
  }
  reader.finish();
  archive.finish();
  if (leftOut > 0) warn?.(`left out ${leftOut} files that are devices, pipes or hard links`);
  yield tarEnd;
}

/** Undefined for what is not handed on. */
function kindOf({ type }: TarEntry): TarMember["kind"] | undefined {
  return type === "file" || type === "directory" || type === "symlink" ? type : undefined;
}

function headerOf(entry: TarEntry, kind: TarMember["kind"], parts: readonly Buffer[]): Buffer {
  const path = Buffer.concat(parts.flatMap((part, n) => (n === 0 ? [part] : [slash, part])));
  const { sizeBytes: size, mtimeS, linkTarget } = entry;
  const target = kind === "symlink" ? { linkTarget } : {};
  return tarHeader({ path, kind, mode: entry.mode & 0o777, size, mtimeS, ...target });
}
