/** Brings a program of banger's own source into the emulated host, and runs it there. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeTree, runChecked } from "../../../src/sys/sys.ts";
import { type Host, quote } from "../host.ts";
import type { Asked, Told } from "./in-host.ts";

const place = "/srv/fc-driver";

/** Bundled: banger, which is in the host already, is a compiled Bun. The shim, init and agent come beside the program. */
export async function bringDriver(machine: Host): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), "banger-fc-"));
  try {
    const made = await Bun.build({
      entrypoints: [join(import.meta.dir, "in-host.ts")],
      target: "bun",
      outdir: join(dir, "made"),
      publicPath: `${place}/`,
    });
    if (!made.success) throw new Error(`in-host.ts could not be bundled: ${made.logs.join("; ")}`);
    await runChecked("tar", ["-czf", join(dir, "made.tgz"), "-C", join(dir, "made"), "."]);
    await machine.copyIn(join(dir, "made.tgz"), "/srv/fc-driver.tgz", { user: "root" });
  } finally {
    await removeTree(dir);
  }
  await machine.ok(`rm -rf ${place}; mkdir ${place}; tar -xzf ${place}.tgz -C ${place}`, { user: "root" });
}

export async function live(machine: Host, asked: Asked): Promise<Told> {
  const command = `BUN_BE_BUN=1 /home/dev/banger run ${place}/in-host.js ${quote(JSON.stringify(asked))}`;
  return JSON.parse(await machine.ok(command, { user: "root", timeoutMs: 400_000 }));
}
