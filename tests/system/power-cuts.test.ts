/**
 * The host's power cut at random moments of VMs' lives: nothing that was acknowledged is lost, nothing is left over.
 * BANGER_POWER_CUTS=20 has that many (default 2), BANGER_SEED repeats a run's moments.
 */
import { beforeAll, expect, test } from "bun:test";
import { host } from "./host.ts";
import { settledVms, tracesOf } from "./traces.ts";

const machine = await host();
const slow = { timeoutMs: 300_000 } as const;
const small = "--image tiny --memory 128M --vcpu 1 --disk-size 64M";
const cuts = Number(process.env.BANGER_POWER_CUTS ?? 2);
/** The life of one VM; each command's end is its acknowledgement. */
const steps = [
  ["create", `banger vm create --name cut ${small}`],
  ["written", "banger vm exec cut -- /bin/sh -c 'echo kept > /kept; echo kept > /root/kept; sync'"],
  ["stopped", "banger vm stop cut"],
  ["started", "banger vm start cut"],
  ["stopped", "banger vm stop cut"],
  ["deleted", "banger vm delete cut"],
] as const;
/** About what the longest of a life's steps takes. */
const stepMs = 10_000;
const seed = Number(process.env.BANGER_SEED ?? Date.now() % 1_000_000);

/** mulberry32: the same moments for the same seed. */
function random(): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

beforeAll(async () => {
  await machine.giveStore();
  await machine.ok("sudo ./banger system install --owner dev", slow);
  await machine.ok(`banger vm run --rm ${small} -- true`, slow);
  // What the test itself has put there is to outlive the first cut.
  await machine.ok("sync", { user: "root" });
}, 900_000);

test(`${cuts} power cuts (seed ${seed})`, async () => {
  const next = random();
  for (let cut = 0; cut < cuts; cut += 1) {
    // What of it has been done before the cut, and so must hold.
    const acknowledged: string[] = [];
    // The cut comes somewhere in this one, or a little after it, however slow the machine is.
    const step = Math.floor(next() * steps.length);
    const halfway = Promise.withResolvers<void>();
    const life = (async () => {
      for (const [what, command] of steps) {
        if (acknowledged.length === step) halfway.resolve();
        const { status } = await machine.run(command, slow);
        if (status !== 0) return;
        acknowledged.push(what);
      }
    })().finally(halfway.resolve);
    await halfway.promise;
    await Bun.sleep(next() * stepMs);
    await machine.powerCut();
    await life;
    const vms = await settledVms(machine);
    const what = `cut ${cut + 1}, acknowledged: ${acknowledged.join(" ")}; ${JSON.stringify(vms)}`;
    process.stderr.write(`    ${what.slice(0, 160)}\n`);
    if (acknowledged.includes("deleted")) expect(vms, what).toEqual([]);
    else if (acknowledged.includes("create") && acknowledged.length < 5) {
      expect(
        vms.map(({ name, state }) => `${name} ${state}`),
        what,
      ).toEqual([expect.stringMatching(/^cut (created|stopped)$/)]);
    }
    expect(await tracesOf(machine), what).toBe("");
    for (const { name } of vms) {
      if (acknowledged.includes("written")) {
        await machine.ok(`banger vm start ${name}`, slow);
        expect(await machine.ok(`banger vm exec ${name} -- /bin/cat /kept /root/kept`, slow), what).toBe(
          "kept\nkept\n",
        );
      }
      await machine.ok(`banger vm delete ${name}`, slow);
    }
    expect(await machine.ok("ls /var/lib/banger/vms", { user: "root" }), what).toBe("");
  }
}, 3_600_000);
