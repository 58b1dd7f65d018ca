/** SHA256SUMS as `sha256sum --check` reads it. Its first lines say which release it is of, and so are signed with it. */
import { createHash } from "node:crypto";

/** Name -> content. */
export type Files = ReadonlyMap<string, Uint8Array>;

export interface SumsOf {
  version: string;
  /** RFC 3339, in UTC. */
  date: string;
  files: Files;
}

/** A name could otherwise be read as an option, an entry more, or a path. */
const plainName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

export function sumsText({ version, date, files }: SumsOf): string {
  const entries = [...files]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, content]) => {
      if (!plainName.test(name)) throw new Error(`${JSON.stringify(name)} cannot be in SHA256SUMS`);
      return `${sha256(content)}  ${name}`;
    });
  return [`# banger ${version}`, `# date ${date}`, ...entries, ""].join("\n");
}

export function sha256(content: Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
