/**
 * The names in a tree's directories. A directory is a number that whoever uses the table gives it, counting from 0. Names
 * are strings of one character per byte, of up to 255; each stands for a value, and has a number of its own, its entry's.
 *
 * Kept in a few large arrays: half a million names as strings in maps take 100 MiB more, and the heap holds on to them.
 */
const none = 0;
/** Of an entry that was taken away. Its place stays its name's, should that come again. */
const noValue = 0xffffffff;
/** Largest share of slots in use, in percent: beyond it looking for a free one takes long. */
const fullPercent = 60;

export class NameTable {
  /** Entries there were ever, those that were taken away as well. */
  count = 0;
  /** The bytes of all names, one after another. */
  #bytes = Buffer.alloc(4096);
  #bytesUsed = 0;
  // Of each entry.
  #start = new Uint32Array(128);
  #length = new Uint8Array(128);
  #directory = new Uint32Array(128);
  #value = new Uint32Array(128);
  #hash = new Uint32Array(128);
  /** The next entry of its directory plus one. */
  #next = new Uint32Array(128);
  // Of each directory, plus one.
  #first = new Uint32Array(32);
  #last = new Uint32Array(32);
  /** Entries plus one, each in the first slot that was free from its hash on. */
  #slots = new Uint32Array(256);
  /** Nobody can make names that share a slot without knowing it. */
  readonly #key = crypto.getRandomValues(new Uint32Array(2));

  /** The entry of a name that is there. */
  find(directory: number, name: string): number | undefined {
    const entry = this.#slots[this.#slotOf(directory, name, this.#hashOf(directory, name))] ?? none;
    return entry === none || this.#value[entry - 1] === noValue ? undefined : entry - 1;
  }

  /** What a name stands for. */
  get(directory: number, name: string): number | undefined {
    const entry = this.find(directory, name);
    return entry === undefined ? undefined : this.#value[entry];
  }

  /** `value`: from 0, below 2^32 - 1. Of a name that is there it takes the old one's place. Returns its entry. */
  set(directory: number, name: string, value: number): number {
    const hash = this.#hashOf(directory, name);
    const known = this.#slots[this.#slotOf(directory, name, hash)] ?? none;
    const entry = known === none ? this.#add(directory, name, hash) : known - 1;
    this.#value[entry] = value;
    return entry;
  }

  remove(entry: number): void {
    this.#value[entry] = noValue;
  }

  value(entry: number): number {
    return this.#value[entry] ?? noValue;
  }

  name(entry: number): string {
    const start = this.#start[entry] ?? 0;
    return this.#bytes.toString("latin1", start, start + this.nameBytes(entry));
  }

  nameBytes(entry: number): number {
    return this.#length[entry] ?? 0;
  }

  directory(entry: number): number {
    return this.#directory[entry] ?? 0;
  }

  /** Entries of a directory, in the order in which their names first came. Those that it has come to may be taken away. */
  *of(directory: number): Generator<number, void> {
    for (let at = this.#first[directory] ?? none; at !== none; at = this.#next[at - 1] ?? none)
      if (this.#value[at - 1] !== noValue) yield at - 1;
  }

  #add(directory: number, name: string, hash: number): number {
    if ((this.count + 1) * 100 > this.#slots.length * fullPercent) this.#widen();
    if (this.count === this.#start.length) this.#lengthen();
    while (this.#bytesUsed + name.length > this.#bytes.length)
      this.#bytes = Buffer.from(this.#bytes.buffer.transfer(this.#bytes.length * 2));
    const entry = this.count;
    this.count += 1;
    this.#start[entry] = this.#bytesUsed;
    this.#length[entry] = name.length;
    this.#directory[entry] = directory;
    this.#hash[entry] = hash;
    this.#bytesUsed += this.#bytes.write(name, this.#bytesUsed, "latin1");
    while (directory >= this.#first.length) {
      this.#first = twice(this.#first);
      this.#last = twice(this.#last);
    }
    const before = this.#last[directory] ?? none;
    if (before === none) this.#first[directory] = entry + 1;
    else this.#next[before - 1] = entry + 1;
    this.#last[directory] = entry + 1;
    this.#slots[this.#slotOf(directory, name, hash)] = entry + 1;
    return entry;
  }

  /** The slot that a name has, or would get. */
  #slotOf(directory: number, name: string, hash: number): number {
    const mask = this.#slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = this.#slots[slot] ?? none;
      if (entry === none || this.#is(entry - 1, directory, name, hash)) return slot;
    }
  }

  #is(entry: number, directory: number, name: string, hash: number): boolean {
    if (this.#hash[entry] !== hash || this.#directory[entry] !== directory) return false;
    if (this.#length[entry] !== name.length) return false;
    const start = this.#start[entry] ?? 0;
    for (let n = 0; n < name.length; n += 1) if (this.#bytes[start + n] !== name.charCodeAt(n)) return false;
    return true;
  }

  /** Multiplied and folded for each byte (as FNV-1a, which has no key). */
  #hashOf(directory: number, name: string): number {
    const [start = 0, factor = 0] = this.#key;
    const odd = factor | 1;
    let hash = Math.imul(start ^ directory, 0x9e3779b1);
    for (let n = 0; n < name.length; n += 1) {
      hash = Math.imul(hash ^ name.charCodeAt(n), odd);
      hash ^= hash >>> 15;
    }
    hash = Math.imul(hash, 0x85ebca6b);
    return (hash ^ (hash >>> 13)) >>> 0;
  }

  #widen(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let entry = 0; entry < this.count; entry += 1) {
      let slot = (this.#hash[entry] ?? 0) & mask;
      while (this.#slots[slot] !== none) slot = (slot + 1) & mask;
      this.#slots[slot] = entry + 1;
    }
  }

  #lengthen(): void {
    this.#start = twice(this.#start);
    this.#directory = twice(this.#directory);
    this.#value = twice(this.#value);
    this.#hash = twice(this.#hash);
    this.#next = twice(this.#next);
    this.#length = new Uint8Array(this.#length.buffer.transfer(this.#length.length * 2));
  }
}

/** Without a copy, where the allocator can do without: both would be there at once. */
function twice(array: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  return new Uint32Array(array.buffer.transfer(array.byteLength * 2));
}
