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

/** Everything that is the same in all headers: uid and gid 0, checksum field as spaces, magic, user and group names. */
const template = Buffer.alloc(block);
template.write("0000000", 108, "latin1");
template.write("0000000", 116, "latin1");
template.write("        ", 148, "latin1");
template.write("ustar\u000000root", 257, "latin1");
template.write("root", 297, "latin1");
const templateSum = template.reduce((sum, byte) => sum + byte, 0);

/** The checksum is summed up while fields are written: summing 512 bytes a file took most of the time. */
function ustar(fields: Fields): Buffer {
  const out = Buffer.from(template);
  let sum = templateSum;
  sum += copyField(out, 0, 100, fields.name);
  sum += octal(out, 100, 7, fields.mode);
  sum += octal(out, 124, 11, fields.size > maxOctal8 ? 0 : fields.size);
  sum += octal(out, 136, 11, Math.min(Math.max(0, Math.floor(fields.mtimeS)), maxOctal8));
  const type = fields.type.charCodeAt(0);
  out[156] = type;
  sum += type + copyField(out, 157, 100, fields.target);
  if (fields.prefix !== undefined) sum += copyField(out, 345, 155, fields.prefix);
  octal(out, 148, 6, sum);
  out[154] = 0;
  return out;
}

/** Writes at most `length` bytes; returns their sum. */
function copyField(out: Buffer, at: number, length: number, value: Buffer): number {
  const end = Math.min(length, value.length);
  let sum = 0;
  for (let n = 0; n < end; n += 1) {
    const byte = value[n] ?? 0;
    out[at + n] = byte;
    sum += byte;
  }
  return sum;
}

/** Writes so many octal digits; returns the sum of their bytes. */
function octal(out: Buffer, at: number, digits: number, value: number): number {
  let rest = value;
  let sum = 0;
  for (let n = at + digits - 1; n >= at; n -= 1) {
    const digit = 0x30 + (rest % 8);
    rest = Math.floor(rest / 8);
    out[n] = digit;
    sum += digit;
  }
  return sum;
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
