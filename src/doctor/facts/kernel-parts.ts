/** The kernel's parts that the system mode needs: there already, to be loaded, or nowhere. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { release } from "node:os";

export interface KernelPart {
  module: string;
  state: "there" | "can be loaded" | "missing";
}

/** What shows that each is there; a part that is built in has no /sys/module without parameters. */
const parts: readonly { module: string; signs: readonly string[] }[] = [
  { module: "loop", signs: ["/sys/module/loop", "/sys/block/loop0"] },
  { module: "dm_mod", signs: ["/sys/module/dm_mod", "/sys/class/misc/device-mapper"] },
  { module: "dm_snapshot", signs: ["/sys/module/dm_snapshot"] },
  { module: "tun", signs: ["/sys/module/tun", "/sys/class/misc/tun"] },
  { module: "bridge", signs: ["/sys/module/bridge"] },
  { module: "kvm", signs: ["/sys/module/kvm", "/sys/class/misc/kvm"] },
];

export async function lookForKernelParts(): Promise<KernelPart[]> {
  const modules = `/lib/modules/${release()}`;
  const [builtIn, loadable] = await Promise.all(
    ["modules.builtin", "modules.dep"].map((name) => readFile(`${modules}/${name}`, "utf8").catch(() => "")),
  );
  return parts.map(({ module, signs }) => ({
    module,
    state:
      signs.some((path) => existsSync(path)) || holds(builtIn, module)
        ? "there"
        : holds(loadable, module)
          ? "can be loaded"
          : "missing",
  }));
}

/** File names of modules have "-" or "_", as their makers liked, and may be compressed (modules.dep(5)). */
function holds(list: string | undefined, module: string): boolean {
  const name = module.replaceAll("_", "[-_]");
  return new RegExp(`(^|/)${name}\\.ko(\\.[a-z0-9]+)?(:|$)`, "m").test(list ?? "");
}
