/**
 * The daemon killed while it makes templates, and while VMs go on from them, under a jailed Firecracker.
 * BANGER_KILL_MATRIX=all kills it at every step of the making, otherwise at three, others each day.
 */
import { beforeAll, expect, test } from "bun:test";
import { stepLists } from "../../src/vm/vm.ts";
import { host } from "./host.ts";
import { allOf, settledVms } from "./traces.ts";
import { failpoint, slow, tiny, warmBed } from "./warm-bed.ts";

const machine = await host();
const { prepare, templateOf, halfMade } = warmBed(machine);
let nothing = "";

beforeAll(async () => {
  nothing = await prepare();
}, 400_000);

/** Stands at a point, kills the daemon there, and waits for the next one. */
async function killedAt(point: string, command: string): Promise<void> {
  await machine.ok(
    `rm -f ${failpoint}/*; echo '${point}' > ${failpoint}/point; (${command} > /tmp/said 2>&1; true) &
until [ -e ${failpoint}/hit ]; do sleep 0.1; done
sudo systemctl kill --signal=KILL bangerd; touch ${failpoint}/go; wait`,
    slow,
  );
  await settledVms(machine);
}

const making = stepLists.find(({ name }) => name === "template.make");
const points = (making?.list ?? []).flatMap(({ name }) =>
  ["before", "after"].map((when) => `template.make.${name}:${when}`),
);
const day = Math.floor(Date.now() / 86_400_000);
const today =
  process.env.BANGER_KILL_MATRIX === "all"
    ? points
    : // The machine runs, is halted and half copied, and another one.
      ["template.make.guest:before", "template.make.save:after", points[day % points.length] ?? ""];

for (const point of today) {
  test(`a daemon that is killed at ${point} leaves nothing that the next one does not take back`, async () => {
    await machine.ok("banger template prune", slow);
    await killedAt(point, `banger vm run --rm ${tiny} -- true`);
    await machine.ok(`rm -f ${failpoint}/*`);
    expect(await allOf(machine)).toBe(nothing);
    expect(await halfMade()).toBe("");
  }, 600_000);
}

test("a daemon that is killed while a VM goes on leaves one that boots, or nothing", async () => {
  await machine.ok(`banger vm run --rm ${tiny} -- true`, slow);
  await templateOf(128);
  for (const when of ["before", "after"]) {
    await killedAt(`vm.start.vmm_launch:${when}`, `banger vm create --name cut ${tiny}`);
    await machine.ok(`rm -f ${failpoint}/*`);
    const vm = (await settledVms(machine)).find(({ name }) => name === "cut");
    if (vm !== undefined) {
      await machine.ok("banger vm start cut && banger vm exec cut -- /bin/true", slow);
      await machine.ok("banger vm delete cut", slow);
    }
    expect(await allOf(machine)).toBe(nothing);
  }
}, 600_000);
