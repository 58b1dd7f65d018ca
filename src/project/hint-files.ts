/** A repository's files, read for what they suggest: one that cannot be read suggests nothing. */
import { readWorkTreeFile } from "../repo/repo.ts";

const maxBytes = 256 * 1024;

/** Undefined for what is not there, a link, a large or a binary file. */
export function hintFile(root: string, file: string): string | undefined {
  try {
    return readWorkTreeFile(root, file, maxBytes);
  } catch {
    return undefined;
  }
}

/** What a package.json says of the version of Node.js, as it stands there; undefined when it says nothing, or is no JSON. */
export function nodeEngine(packageJson: string | undefined): string | undefined {
  try {
    const wanted: unknown = JSON.parse(packageJson ?? "null")?.engines?.node;
    return typeof wanted === "string" ? wanted : undefined;
  } catch {
    return undefined;
  }
}
