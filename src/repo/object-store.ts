/** Checks that a repository's objects are its own: git would follow links and alternates into other repositories. */
import { join } from "node:path";
import { BangerError } from "../base/base.ts";
import { printable } from "./printable.ts";
import { readMetadata, readMetadataDir } from "./read-metadata.ts";

/** Returns the directory of objects. Throws bad_repository when anything in it leads outside or is no plain file. */
export function checkObjectStore(commonDir: string): string {
  const objects = join(commonDir, "objects");
  for (const entry of readMetadataDir(objects)) {
    const { name } = entry;
    const known = name === "pack" || name === "info" || /^[0-9a-f]{2}$/.test(name);
    if (!known) continue;
    if (!entry.isDirectory()) throw strange(objects, entry.name);
    for (const file of readMetadataDir(join(objects, name))) {
      const directory = name === "info" && file.isDirectory(); // commit-graphs/
      if (!file.isFile() && !directory) throw strange(join(objects, name), file.name);
    }
  }
  if ((readMetadata(join(objects, "info", "alternates"), 1024 * 1024)?.length ?? 0) > 0) {
    throw new BangerError("bad_repository", "the repository borrows objects from another one (alternates)", {
      hint: "make it independent: git repack -a -d && rm .git/objects/info/alternates",
    });
  }
  return objects;
}

function strange(dir: string, name: string): BangerError {
  const path = printable(Buffer.from(join(dir, name)));
  return new BangerError("bad_repository", `${path} is not what git puts there (a link or special file)`, {
    hint: "clone the repository and name the clone",
  });
}
