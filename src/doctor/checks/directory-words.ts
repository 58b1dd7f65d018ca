/** What checks say of directories. */
import type { DirectoryFacts } from "../facts/storage.ts";
import type { Evidence } from "../verdict.ts";

export function evidenceOf(what: string, directory: DirectoryFacts): Evidence[] {
  const { path, there, exists, uid, mode, refused, fileSystem } = directory;
  const { type, mountPoint, options } = fileSystem;
  return [
    { looked: what, found: exists ? path : `${path}, which is not there yet: ${there} is` },
    { looked: "whose", found: `user ${uid}, mode ${mode.toString(8)}, ${refused ?? "writable"}` },
    { looked: "file system", found: `${type} at ${mountPoint} (${options.join(",")})` },
  ];
}

export function refusal({ there, refused }: DirectoryFacts): string {
  return refused === "EROFS"
    ? `the file system of ${there} is read-only`
    : `you may not write to ${there} (${refused})`;
}
