/** The release's archive: one program, and nothing that depends on where, when or by whom it was packed. */
import { gzipSync } from "node:zlib";
import { tarEnd, tarHeader, tarPadding } from "../../src/tar/tar.ts";

/** Where the header says which system packed it (RFC 1952): 255 is unknown. */
const systemByte = 9;

/** The bytes of a .tar.gz that holds `banger` alone: owned by root, 0755, as old as its commit. */
export function archiveOf(program: Buffer, mtimeS: number, level = 9): Buffer {
  const path = Buffer.from("banger");
  const tar = Buffer.concat([
    tarHeader({ path, kind: "file", mode: 0o755, size: program.length, mtimeS }),
    program,
    Buffer.alloc(tarPadding(program.length)),
    tarEnd,
  ]);
  const packed = gzipSync(tar, { level });
  packed[systemByte] = 255;
  return packed;
}
