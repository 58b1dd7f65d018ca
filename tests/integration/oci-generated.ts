/** Images as nobody would write them, from a seed: few names that meet often, odd ones among them, and all that layers do. */
import { directory, file, hardlink, symlink } from "../../src/oci/testing/flatten.ts";
import type { TarSpec } from "../../src/oci/testing/tar-writer.ts";

const names = [
  ...["a", "b", "c", "a", "b", "c", "d e", "-f", "caf\xe9", "\xff\xfe\x01", "new\nline", 'quo"te', "$(x)"],
  ...["\xc3\xbc", "back\\slash", "tab\t", ".hidden", ".wh", "x".repeat(200), "..."],
];
const targets = ["a", "b/c", "/a", "..", "../b", "/", "../../../c", "nowhere", "\xff/x", "t/".repeat(100)];
const capability = "\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/** Numbers below `n`, the same for the same seed (mulberry32). */
function numbers(seed: number): (n: number) => number {
  let state = seed >>> 0;
  return (n) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

/** What there is so far, by path: so that most of what is generated can be. */
class Tree {
  readonly kinds = new Map<string, TarSpec["type"]>([["", "5"]]);

  of(...kinds: TarSpec["type"][]): string[] {
    return [...this.kinds].filter(([, kind]) => kinds.includes(kind)).map(([path]) => path);
  }

  remove(path: string, itself = true): void {
    for (const each of [...this.kinds.keys()])
      if ((itself && each === path) || each.startsWith(path === "" ? "" : `${path}/`))
        if (each !== "") this.kinds.delete(each);
  }

  put(path: string, kind: TarSpec["type"]): void {
    if (kind !== "5" || this.kinds.get(path) !== "5") this.remove(path);
    this.kinds.set(path, kind);
  }
}

/** The same layers for the same seed. The first one describes the root. Every fourth seed's names are any: most cannot be. */
export function generatedLayers(seed: number): TarSpec[][] {
  const next = numbers(seed);
  const pick = <T>(of: readonly T[]): T => of[next(of.length)] as T;
  const tree = new Tree();
  const wild = seed % 4 === 0;
  const below = (parent: string, name: string) => (parent === "" ? name : `${parent}/${name}`);
  const path = (): string => {
    if (wild) return Array.from({ length: 1 + next(3) }, () => pick(names)).join("/");
    const there = tree.of("0", "1", "2", "3", "5").filter((each) => each !== "");
    // A third of them where something is already.
    if (there.length > 0 && next(3) === 0) return pick(there);
    return below(pick(tree.of("5")), pick(names));
  };
  const meta = (attributes: boolean): Partial<TarSpec> => {
    const pax: Record<string, string> = {};
    const seconds = 1 + next(2_000_000_000);
    if (next(2) === 0) pax.mtime = `${seconds}.${String(1 + next(999_999_999)).padStart(9, "0")}`;
    if (attributes && next(3) === 0) pax["SCHILY.xattr.user.note"] = `a=b\n\0\xff${next(100)}`;
    if (attributes && next(5) === 0) pax["SCHILY.xattr.trusted.x"] = "y".repeat(1 + next(200));
    if (attributes && next(6) === 0) pax["SCHILY.xattr.security.capability"] = capability;
    const ids = [0, 0, 1000, 65_534, 70_000];
    return {
      mtime: seconds,
      uid: pick(ids),
      gid: pick(ids),
      ...(Object.keys(pax).length > 0 ? { pax } : {}),
    };
  };
  const entryAt = (at: string): TarSpec => {
    const kind = next(12);
    const mode = next(8) === 0 ? 0o4000 + next(0o4000) : next(0o1000);
    const files = tree.of("0").filter((each) => each !== at && !each.startsWith(`${at}/`));
    if (kind < 4) return file(at, "c".repeat(next(4) * next(3000)), { mode, ...meta(true) });
    if (kind < 7) return directory(`${at}/`, { mode, ...meta(true) });
    if (kind < 8) return { ...symlink(at, pick(targets)), ...meta(false) };
    if (kind < 11 && (wild || files.length > 0)) return hardlink(at, wild ? path() : pick(files));
    return { path: at, type: pick(["3", "4", "6"] as const), mode };
  };
  const entry = (): TarSpec => {
    const at = path();
    const made = entryAt(at);
    const type = made.type ?? "0";
    // A hard link to a file is one; devices and FIFOs are left out in the end, but umoci takes them away itself.
    tree.put(at, type === "1" ? "0" : type);
    return made;
  };
  const whiteout = (): TarSpec => {
    const opaque = next(3) === 0;
    const at = opaque ? pick(tree.of("5")) : path();
    tree.remove(at, !opaque);
    if (opaque) return file(below(at, ".wh..wh..opq"), "");
    const parts = at.split("/");
    const name = parts.pop();
    return file([...parts, `.wh.${name}`].join("/"), "");
  };
  const entries = (most: number) => Array.from({ length: 1 + next(most) }, entry);
  const top = directory("./", { ...meta(true), mode: 0o755 });
  const first = [top, ...entries(16)];
  // Whiteouts first, as umoci needs them.
  const layers = Array.from({ length: next(5) }, () => [
    ...Array.from({ length: next(4) }, whiteout),
    ...entries(8),
  ]);
  return [first, ...layers];
}
