/**
 * CRC-32C (Castagnoli, reflected polynomial 0x82f63b78) as ext4 uses it: the running value is neither inverted at the
 * start nor at the end (`ext4_chksum` in fs/ext4/ext4.h). Eight bytes a step, by tables: no library here has it.
 */
const tables = makeTables();

function makeTables(): Int32Array[] {
  const first = new Int32Array(256);
  for (let byte = 0; byte < 256; byte += 1) {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) value = (value >>> 1) ^ (value & 1 ? 0x82f63b78 : 0);
    first[byte] = value;
  }
  const all = [first];
  for (let n = 1; n < 8; n += 1) {
    const before = all[n - 1] as Int32Array;
    all.push(before.map((value) => (first[value & 0xff] as number) ^ (value >>> 8)));
  }
  return all;
}

const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
  Int32Array,
];

/** The value after the bytes from `start` to `end` of `bytes`; `crc` is the value before them. Unsigned, 32 bits. */
export function crc32c(crc: number, bytes: Uint8Array, start = 0, end = bytes.length): number {
  let value = crc | 0;
  let at = start;
  const whole = end - ((end - start) & 7);
  // The casts: an index in range is never undefined, and this loop is where the time goes.
  const b = bytes as unknown as { readonly [index: number]: number };
  const lookup = (table: Int32Array, index: number) => table[index] as number;
  for (; at < whole; at += 8) {
    const low = value ^ (at4(b, at) as number);
    value =
      lookup(t7, low & 0xff) ^
      lookup(t6, (low >>> 8) & 0xff) ^
      lookup(t5, (low >>> 16) & 0xff) ^
      lookup(t4, low >>> 24) ^
      lookup(t3, b[at + 4] as number) ^
      lookup(t2, b[at + 5] as number) ^
      lookup(t1, b[at + 6] as number) ^
      lookup(t0, b[at + 7] as number);
  }
  for (; at < end; at += 1) value = lookup(t0, (value ^ (b[at] as number)) & 0xff) ^ (value >>> 8);
  return value >>> 0;
}

function at4(b: { readonly [index: number]: number }, at: number): number {
  return (
    (b[at] as number) |
    ((b[at + 1] as number) << 8) |
    ((b[at + 2] as number) << 16) |
    ((b[at + 3] as number) << 24)
  );
}

const four = new Uint8Array(4);

/** The same over a little-endian 32-bit number. */
export function crc32cOfU32(crc: number, number: number): number {
  four[0] = number;
  four[1] = number >>> 8;
  four[2] = number >>> 16;
  four[3] = number >>> 24;
  return crc32c(crc, four);
}
