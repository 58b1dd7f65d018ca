/** Files and symlinks of layers, compactly: an image can have half a million. Numbered in the order of their entries. */
import { leftBehind } from "../../base/base.ts";

/** Their metadata are in the layer's listing, and are read when they are written. */
interface FromEntry {
  /** Which entry of the layer has made it. */
  entry: number;
  hasAttributes: boolean;
}

export interface File extends FromEntry {
  kind: "file";
  sizeBytes: number;
  /** Of the layer's contents; undefined for an empty file. */
  content: number | undefined;
}

export interface Symlink extends FromEntry {
  kind: "symlink";
  target: string;
}

export type Leaf = File | Symlink;

const isSymlink = 1;
const hasAttributes = 2;

export class LeafTable {
  count = 0;
  #flags = new Uint8Array(1024);
  #entry = new Uint32Array(1024);
  #sizeBytes = new Float64Array(1024);
  /** Of a file that is not empty its content, of a symlink its target, plus one. */
  #what = new Uint32Array(1024);
  /** The entry of the name under which it is made, plus one. Other names are hard links to it. */
  #name = new Uint32Array(1024);
  readonly #targets: string[] = [];
  /** The first of each layer. */
  readonly #layers = [0];

  /** Returns its number. */
  add(leaf: Leaf): number {
    if (this.count === this.#entry.length) this.#lengthen();
    const number = this.count;
    this.count += 1;
    const symlink = leaf.kind === "symlink";
    this.#flags[number] = (symlink ? isSymlink : 0) | (leaf.hasAttributes ? hasAttributes : 0);
    this.#entry[number] = leaf.entry;
    if (!symlink) {
      this.#sizeBytes[number] = leaf.sizeBytes;
      this.#what[number] = leaf.content === undefined ? 0 : leaf.content + 1;
    } else this.#what[number] = this.#targets.push(alone(leaf.target));
    return number;
  }

  get(number: number): Leaf {
    leftBehind(3);
    const flags = this.#flags[number] ?? 0;
    const from = { entry: this.entry(number), hasAttributes: (flags & hasAttributes) > 0 };
    const what = this.#what[number] ?? 0;
    if ((flags & isSymlink) > 0) return { kind: "symlink", target: this.#targets[what - 1] ?? "", ...from };
    const content = what === 0 ? undefined : what - 1;
    return { kind: "file", sizeBytes: this.#sizeBytes[number] ?? 0, content, ...from };
  }

  entry(number: number): number {
    return this.#entry[number] ?? 0;
  }

  /** The name's entry that it is made under; undefined as long as it has none, as those that are hidden. */
  nameOf(number: number): number | undefined {
    const name = this.#name[number] ?? 0;
    return name === 0 ? undefined : name - 1;
  }

  setName(number: number, entry: number): void {
    this.#name[number] = entry + 1;
  }

  nextLayer(): void {
    this.#layers.push(this.count);
  }

  /** Those of a layer, hidden ones too: from `first` up to and without `end`. */
  ofLayer(layer: number): { first: number; end: number } {
    return { first: this.#layers[layer] ?? this.count, end: this.#layers[layer + 1] ?? this.count };
  }

  #lengthen(): void {
    const to = this.#entry.length * 2;
    this.#flags = new Uint8Array(this.#flags.buffer.transfer(to));
    this.#entry = new Uint32Array(this.#entry.buffer.transfer(to * 4));
    this.#sizeBytes = new Float64Array(this.#sizeBytes.buffer.transfer(to * 8));
    this.#what = new Uint32Array(this.#what.buffer.transfer(to * 4));
    this.#name = new Uint32Array(this.#name.buffer.transfer(to * 4));
  }
}

/** Without what it was cut out of: a part of a string keeps the whole. */
function alone(text: string): string {
  return Buffer.from(text, "latin1").toString("latin1");
}
