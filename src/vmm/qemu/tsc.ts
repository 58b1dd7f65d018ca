/** The time stamp counter that an emulated guest will see: under TCG it is the host's own. */
import { readFile } from "node:fs/promises";
import { readTsc } from "../../sys/sys.ts";

const measureMs = 20;

/**
 * Its frequency in kHz, right to 0.1 %; undefined where it is not constant. A guest that is not told must measure it
 * against emulated timers: 0.4 s of its boot, and more when the host is busy and the measurement fails.
 */
export async function tscKhz(): Promise<number | undefined> {
  const flags = /^flags\s*:(.*)$/m.exec(await readFile("/proc/cpuinfo", "utf8"))?.[1]?.split(" ") ?? [];
  if (!flags.includes("constant_tsc") || !flags.includes("nonstop_tsc")) return undefined;
  const first = readTsc();
  await new Promise((resolve) => setTimeout(resolve, measureMs));
  const last = readTsc();
  return Math.round((Number(last.ticks - first.ticks) * 1e6) / Number(last.ns - first.ns));
}
