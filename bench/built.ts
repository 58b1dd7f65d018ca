/** What is measured: the executable of this checkout. */
import { join } from "node:path";

export const root = join(import.meta.dir, "..");
export const banger = join(root, "dist/banger");
