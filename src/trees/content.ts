/** The content of a guest's file, from the archive that has it. */
import { BangerError } from "../base/base.ts";
import { TarReader } from "../tar/tar.ts";
import { emptyArchive } from "./guest-archive.ts";

const holePiece = Buffer.alloc(64 * 1024);

/** Throws bad_request when it is no file, and corrupt when it is cut off. */
export async function* contentOf(
  tar: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let files = 0;
  const pieces: (Buffer | number)[] = [];
  const reader = new TarReader({
    entry: ({ type }) => {
      if (type !== "file")
        throw new BangerError("bad_request", `it is a ${type}, and only a file's content can be written`);
      files += 1;
      if (files > 1) throw new BangerError("corrupt", "the guest sent more than the file");
    },
    data: (chunk) => void pieces.push(chunk),
    hole: (bytes) => void pieces.push(bytes),
    end: () => {},
  });
  for await (const chunk of tar) {
    reader.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
    for (const piece of pieces.splice(0)) {
      if (typeof piece !== "number") yield piece;
      else for (let left = piece; left > 0; left -= holePiece.length) yield holePiece.subarray(0, left);
    }
  }
  reader.finish();
  if (files === 0) throw emptyArchive();
}
