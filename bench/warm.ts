/** Figures of templates: what clones cost in memory, and how a repository gets into one. */
import { readFileSync } from "node:fs";
import type { Arm } from "./pairs.ts";
import { repository } from "./workspace.ts";
import { text, time } from "./world.ts";

const clones = 10;

/** In MiB: its own pages, and its share of those that others map too (Documentation/filesystems/proc.rst). */
function pssMiB(name: string): number {
  const { pid } = JSON.parse(text(["vm", "show", "--json", name])) as { pid: number };
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
  return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1]) / 1024;
}

/** Of VMs that have run one command, and are idle. */
export async function clonesPss(size: readonly string[]): Promise<{ tenth: number; cold: number }> {
  const make = async (name: string, ...more: string[]) => {
    await time(["vm", "create", "--name", name, ...more, ...size]);
    await time(["vm", "exec", name, "--", "true"]);
  };
  const names = Array.from({ length: clones }, (_, index) => `clone-${index}`);
  for (const name of names) await make(name);
  const tenth = pssMiB(names.at(-1) ?? "");
  await time(["vm", "delete", ...names]);
  await make("booted", "--cold");
  const cold = pssMiB("booted");
  await time(["vm", "delete", "booted"]);
  return { tenth, cold };
}

export function importWarm(size: readonly string[]): { withRepository: Arm; without: Arm } {
  const repo = repository();
  const run = (...path: string[]) => time(["vm", "run", "--rm", ...size, ...path, "--", "true"]);
  return {
    withRepository: { name: "with 5,000 files", run: () => run(repo) },
    without: { name: "without", run: () => run() },
  };
}
