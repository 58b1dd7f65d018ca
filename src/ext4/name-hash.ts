/**
 * The hash by which large directories are sorted: half MD4, with the file system's own seed (fs/ext4/hash.c,
 * __ext4fs_dirhash). `signed`: whether the machine that made the file system has signed chars, kept in its s_flags.
 */
export type HashSeed = readonly [number, number, number, number];

const k2 = 0o13240474631;
const k3 = 0o15666365641;
const usual: HashSeed = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];

const input = new Int32Array(8);
const state = new Int32Array(4);

/** The hash of a name of 1 to 255 bytes, one character of `name` per byte. Even: the last bit means something else in an index. */
export function nameHash(name: string, seed: HashSeed, signed: boolean): number {
  state.set(seed.some((word) => word !== 0) ? seed : usual);
  for (let at = 0; at < name.length; at += 32) {
    fillInput(name, at, signed);
    transform();
  }
  const hash = ((state[1] as number) & ~1) >>> 0;
  // The largest one means the end of a directory (EXT4_HTREE_EOF_32BIT).
  return hash === 0xfffffffe ? 0xfffffffc : hash;
}

/** str2hashbuf: the next 32 bytes as words; what is missing is filled with the length of the rest. */
function fillInput(name: string, start: number, signed: boolean): void {
  const length = name.length - start;
  const byte = length & 0xff;
  const pad = byte | (byte << 8) | (byte << 16) | (byte << 24);
  const taken = Math.min(length, 32);
  let value = pad;
  let word = 0;
  for (let n = 0; n < taken; n += 1) {
    const code = name.charCodeAt(start + n);
    value = ((signed ? (code << 24) >> 24 : code) + (value << 8)) | 0;
    if (n % 4 === 3) {
      input[word] = value;
      word += 1;
      value = pad;
    }
  }
  for (let rest = value; word < 8; word += 1, rest = pad) input[word] = rest;
}

function transform(): void {
  const [w0, w1, w2, w3, w4, w5, w6, w7] = input as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  let [a, b, c, d] = state as unknown as [number, number, number, number];
  const f = (x: number, y: number, z: number) => z ^ (x & (y ^ z));
  const g = (x: number, y: number, z: number) => (x & y) + ((x ^ y) & z);
  const h = (x: number, y: number, z: number) => x ^ y ^ z;
  const turn = (value: number, bits: number) => (value << bits) | (value >>> (32 - bits));
  const round = (
    mix: typeof f,
    constant: number,
    words: readonly number[],
    turns: readonly [number, number, number, number],
  ) => {
    for (let n = 0; n < 8; n += 4) {
      const x = (m: number) => ((words[n + m] as number) + constant) | 0;
      a = turn((a + mix(b, c, d) + x(0)) | 0, turns[0]);
      d = turn((d + mix(a, b, c) + x(1)) | 0, turns[1]);
      c = turn((c + mix(d, a, b) + x(2)) | 0, turns[2]);
      b = turn((b + mix(c, d, a) + x(3)) | 0, turns[3]);
    }
  };
  round(f, 0, [w0, w1, w2, w3, w4, w5, w6, w7], [3, 7, 11, 19]);
  round(g, k2, [w1, w3, w5, w7, w0, w2, w4, w6], [3, 5, 9, 13]);
  round(h, k3, [w3, w7, w2, w6, w1, w5, w0, w4], [3, 9, 11, 15]);
  state[0] = (state[0] as number) + a;
  state[1] = (state[1] as number) + b;
  state[2] = (state[2] as number) + c;
  state[3] = (state[3] as number) + d;
}
