/** Skipping what was done already: a stage's inputs are hashed, and their digest is kept in build/. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** @param {string} root @param {string[]} paths files and directories below root */
export function digestOf(root, paths) {
  const hash = createHash("sha256");
  const add = (path) => {
    if (!existsSync(path)) return;
    if (statSync(path).isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name));
    else hash.update(path).update(readFileSync(path));
  };
  for (const path of paths) add(join(root, path));
  return hash.digest("hex");
}

/** Runs `body` unless the last successful run had the same digest and all of `products` exist. */
export async function whenChanged(root, name, digest, products, body) {
  const stamp = join(root, "build", `${name}.stamp`);
  const fresh =
    existsSync(stamp) &&
    readFileSync(stamp, "utf8") === digest &&
    products.every((one) => existsSync(join(root, one)));
  if (fresh) return false;
  await body();
  mkdirSync(join(root, "build"), { recursive: true });
  writeFileSync(stamp, digest);
  return true;
}
