/**
 * Where the milliseconds of a restore go, without the daemon: one real guest is booted, saved and restored by the driver.
 *   bun bench/restore.ts [rounds] [memory in MiB] [processors]
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { RealGuest } from "../tests/integration/real-guest.ts";

const [rounds = 9, memoryMiB = 512, vcpu = 2] = process.argv.slice(2).map(Number);
const guest = new RealGuest({ memoryMiB, vcpu });
try {
  const template = await guest.template();
  for (const file of ["memory", "state", "root.qcow2", "work.ext4"]) {
    const { size, blocks } = statSync(join(template, file));
    console.log(`${file}: ${size} bytes, ${blocks * 512} on disk`);
  }
  const all: Record<string, number>[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const marks: [string, number][] = [];
    const started = performance.now();
    const mark = (name: string) => marks.push([name, performance.now()]);
    const spec = guest.clone(template);
    mark("disks");
    const machine = await guest.start(spec);
    mark("restore");
    const session = await guest.session(machine);
    mark("hello");
    await guest.personalise(session, `clone${round}`);
    mark("personalise");
    await guest.run(session, ["true"]);
    mark("first command");
    const until = performance.now();
    await guest.run(session, ["true"]);
    mark("second command");
    let before = started;
    const row: Record<string, number> = {};
    for (const [name, at] of marks) {
      row[name] = at - before;
      before = at;
    }
    row["to the first command"] = until - started;
    all.push(row);
    console.log(Object.entries(row).map(([name, ms]) => `${name} ${ms.toFixed(1)}`).join("  "));
    session.close();
    await guest.kill(machine);
  }
  console.log("median:");
  for (const name of Object.keys(all[0] ?? {})) {
    const sorted = all.map((row) => row[name] ?? 0).sort((a, b) => a - b);
    console.log(`  ${name}: ${sorted[sorted.length >> 1]?.toFixed(1)} (${sorted[0]?.toFixed(1)} to ${sorted.at(-1)?.toFixed(1)})`);
  }
} finally {
  await guest.close();
}
