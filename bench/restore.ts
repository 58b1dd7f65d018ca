/**
 * Where the milliseconds of a restore go, without the daemon: one real guest is booted, saved and restored by the driver.
 * Beside the wall clock stands QEMU's processor time, which a busy host does not change.
 *   bun bench/restore.ts [rounds] [memory in MiB] [processors]
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { MachineHandle } from "../src/vmm/vmm.ts";
import { RealGuest } from "../tests/integration/real-guest.ts";

const [rounds = 9, memoryMiB = 512, vcpu = 2] = process.argv.slice(2).map(Number);
const commands = 5;

/** Of all its threads, in ms: the first number of schedstat is in ns (Documentation/scheduler/sched-stats.rst). */
function processorMs({ process: { pid } }: MachineHandle): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const ns = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]);
  return ns.reduce((sum, each) => sum + Number(each), 0) / 1e6;
}

type Row = Record<string, { wall: number; cpu: number }>;

async function restore(guest: RealGuest, template: string, name: string): Promise<Row> {
  const spec = guest.clone(template);
  const row: Row = {};
  const started = performance.now();
  const before = { wall: started, cpu: 0 };
  const machine = await guest.start(spec);
  const mark = (stage: string) => {
    const now = { wall: performance.now(), cpu: processorMs(machine) };
    row[stage] = { wall: now.wall - before.wall, cpu: now.cpu - before.cpu };
    Object.assign(before, now);
  };
  mark("restore");
  const session = await guest.session(machine);
  mark("hello");
  await guest.personalise(session, name);
  mark("personalise");
  for (let index = 1; index <= commands; index += 1) {
    await guest.run(session, ["true"]);
    mark(`command ${index}`);
    if (index === 1) row["to the first command"] = { wall: before.wall - started, cpu: before.cpu };
  }
  session.close();
  await guest.driver.kill(machine);
  return row;
}

const guest = new RealGuest({ memoryMiB, vcpu });
try {
  const template = await guest.template();
  for (const file of ["memory", "state", "root.qcow2", "work.ext4"]) {
    const { size, blocks } = statSync(join(template, file));
    console.log(`${file}: ${size} bytes, ${blocks * 512} on disk`);
  }
  const rows: Row[] = [];
  for (let round = 0; round < rounds; round += 1) rows.push(await restore(guest, template, `clone${round}`));
  console.log("ms: median (least to most)");
  for (const stage of Object.keys(rows[0] ?? {})) {
    const show = (what: "wall" | "cpu") => {
      const sorted = rows.map((row) => row[stage]?.[what] ?? 0).sort((a, b) => a - b);
      const [least, median, most] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)];
      return `${median?.toFixed(0)} (${least?.toFixed(0)} to ${most?.toFixed(0)})`;
    };
    console.log(`  ${stage.padEnd(22)} wall ${show("wall").padEnd(22)} processor ${show("cpu")}`);
  }
} finally {
  await guest.close();
}
