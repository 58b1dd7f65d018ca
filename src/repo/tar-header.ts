/**
 * Tar headers (POSIX.1-2001 ustar, pax where a field is too small). Written here because names are bytes: libraries
 * take strings and would change names that are not UTF-8.
 */

export interface TarMember {
  path: Buffer;
  kind: "file" | "directory" | "symlink";
  mode: number;
  /** Bytes of content; 0 for directories and links. */
  size: number;
  mtimeS: number;
  linkTarget?: Buffer;
}

const block = 512;
const maxOctal8 = 8 ** 11 - 1;

/** The end of an archive: two empty blocks. */
export const tarEnd: Buffer = Buffer.alloc(2 * block);

/** Zero bytes that follow `size` bytes of content. */
export function tarPadding(size: number): number {
  return (block - (size % block)) % block;
}

/** The header blocks of one member: one block, or three and more when a pax record must carry a field. */
export function tarHeader(member: TarMember): Buffer {
  const path = member.kind === "directory" ? Buffer.concat([member.path, Buffer.from("/")]) : member.path;
  const target = member.linkTarget ?? Buffer.alloc(0);
  const records: Buffer[] = [];
  const place = splitPath(path);
  if (place === undefined) records.push(paxRecord("path", path));
  if (target.length > 100) records.push(paxRecord("linkpath", target));
  if (member.size > maxOctal8) records.push(paxRecord("size", Buffer.from(String(member.size))));
  const type = { file: "0", directory: "5", symlink: "2" }[member.kind];
  const main = ustar({
    ...member,
    type,
    name: place?.name ?? path.subarray(0, 100),
    prefix: place?.prefix,
    target,
  });
  if (records.length === 0) return main;
  const body = Buffer.concat(records);
  const name = Buffer.from("PaxHeaders/member");
  const extra = ustar({
    name,
    type: "x",
    mode: 0o644,
    size: body.length,
    mtimeS: 0,
    target: Buffer.alloc(0),
  });
  return Buffer.concat([extra, body, Buffer.alloc(tarPadding(body.length)), main]);
}

interface Fields {
  name: Buffer;
  prefix?: Buffer | undefined;
  type: string;
  mode: number;
  size: number;
  mtimeS: number;
  target: Buffer;
}

function ustar(fields: Fields): Buffer {
  const out = Buffer.alloc(block);
  fields.name.copy(out, 0, 0, 100);
  octal(out, 100, 7, fields.mode);
  octal(out, 108, 7, 0);
  octal(out, 116, 7, 0);
  octal(out, 124, 11, fields.size > maxOctal8 ? 0 : fields.size);
  octal(out, 136, 11, Math.min(Math.max(0, Math.floor(fields.mtimeS)), maxOctal8));
  out.write("        ", 148, "latin1");
  out.write(fields.type, 156, "latin1");
  fields.target.copy(out, 157, 0, 100);
  out.write("ustar\u000000root", 257, "latin1");
  out.write("root", 297, "latin1");
  fields.prefix?.copy(out, 345, 0, 155);
  let sum = 0;
  for (let at = 0; at < block; at += 1) sum += out[at] ?? 0;
  octal(out, 148, 6, sum);
  out[154] = 0;
  return out;
}

function octal(out: Buffer, at: number, digits: number, value: number): void {
  out.write(value.toString(8).padStart(digits, "0"), at, "latin1");
}

/** Name and prefix fields for a path, or undefined when it fits neither (100 bytes, or 155 + "/" + 100). */
function splitPath(path: Buffer): { name: Buffer; prefix?: Buffer } | undefined {
  if (path.length <= 100) return { name: path };
  // The first slash that leaves at most 100 bytes behind it; a directory's own last slash is no place to split.
  const slash = path.indexOf(0x2f, path.length - 101);
  if (slash <= 0 || slash > 155 || slash >= path.length - 1) return undefined;
  return { name: path.subarray(slash + 1), prefix: path.subarray(0, slash) };
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts its own digits. */
function paxRecord(key: string, value: Buffer): Buffer {
  const rest = key.length + value.length + 3;
  let length = rest + String(rest).length;
  if (length < rest + String(length).length) length += 1;
  return Buffer.concat([Buffer.from(`${length} ${key}=`), value, Buffer.from("\n")]);
}
