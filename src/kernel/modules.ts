/** Which modules a list of drivers needs, in an order in which they can be loaded. */
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { BangerError } from "../base/base.ts";

export interface KernelModule {
  name: string;
  content: Buffer;
}

/**
 * `modulesDir` is lib/modules/VERSION. A driver built into the kernel is simply not among the modules, and a kernel without
 * modules (no such directory, or nothing in it) has all of its drivers built in. Throws corrupt for one that is nowhere.
 */
export async function moduleClosure(modulesDir: string, wanted: readonly string[]): Promise<KernelModule[]> {
  if ((await filesIn(modulesDir)).length === 0) return [];
  const paths = new Map<string, string>();
  for (const entry of await filesIn(join(modulesDir, "kernel"), { recursive: true })) {
    if (entry.endsWith(".ko")) paths.set(moduleName(entry), join(modulesDir, "kernel", entry));
  }
  const builtin = await readFile(join(modulesDir, "modules.builtin"), "utf8").catch(() => "");
  const inside = new Set(builtin.split("\n").map(moduleName));
  const ordered = new Map<string, KernelModule>();
  const visit = async (name: string, trail: readonly string[]): Promise<void> => {
    if (ordered.has(name) || inside.has(name)) return;
    if (trail.includes(name))
      throw new BangerError("corrupt", `modules depend on each other in a ring: ${trail.join(" ")}`);
    const path = paths.get(name);
    if (path === undefined) throw new BangerError("corrupt", `the kernel has no module ${name}`);
    const content = await readFile(path);
    for (const needed of dependencies(content)) await visit(needed, [...trail, name]);
    ordered.set(name, { name, content });
  };
  for (const name of wanted) await visit(name, []);
  return [...ordered.values()];
}

async function filesIn(dir: string, options: { recursive?: boolean } = {}): Promise<string[]> {
  try {
    return await readdir(dir, options);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

/** Names in files have dashes or underscores as their authors liked; the kernel sees underscores. */
function moduleName(path: string): string {
  return basename(path.trim(), ".ko").replaceAll("-", "_");
}

/** The `depends=` record of a module's .modinfo section: NUL-terminated, comma-separated. */
export function dependencies(module: Buffer): string[] {
  const start = module.indexOf("\0depends=");
  if (start < 0) return [];
  const from = start + "\0depends=".length;
  const text = module.toString("latin1", from, module.indexOf(0, from));
  return text === "" ? [] : text.split(",").map(moduleName);
}
