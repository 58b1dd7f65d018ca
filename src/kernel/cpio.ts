/**
 * cpio archives in "newc" format, as the kernel unpacks them for an initramfs (Documentation/driver-api/early-userspace/
 * buffer-format.rst): per entry a header of 110 ASCII characters, the name with NUL, the content, each padded to 4.
 */
export interface CpioEntry {
  /** Without a leading slash. Parents come first. */
  name: string;
  /** With the file type bits of stat(2). */
  mode: number;
  content?: Uint8Array;
  /** Device number of a node, as [major, minor]. */
  device?: readonly [number, number];
}

export const fileType = { directory: 0o040000, regular: 0o100000, characterDevice: 0o020000 } as const;

/** The archive. The same entries make the same bytes: owners, times and inodes are fixed. */
export function cpioArchive(entries: readonly CpioEntry[]): Buffer {
  const parts: Uint8Array[] = [];
  const all = [...entries, { name: "TRAILER!!!", mode: 0 }];
  for (const [index, { name, mode, content = Buffer.alloc(0), device = [0, 0] }] of all.entries()) {
    const nameBytes = Buffer.from(`${name}\0`);
    const isTrailer = index === entries.length;
    const fields = [
      isTrailer ? 0 : index + 1, // inode
      mode,
      0, // uid
      0, // gid
      1, // links
      0, // mtime
      content.length,
      0, // device of the file system: major, minor
      0,
      device[0],
      device[1],
      nameBytes.length,
      0, // checksum: none in this format
    ];
    const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
    parts.push(
      Buffer.from(header),
      nameBytes,
      padding(header.length + nameBytes.length),
      content,
      padding(content.length),
    );
  }
  return Buffer.concat(parts);
}

function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}
