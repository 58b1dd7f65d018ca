/**
 * Many at once, at the wrong moment, and through a reboot of the host. BANGER_STORM=3: three rounds with ten VMs, a quarter of
 * an hour each; otherwise it is one with four.
 */
import { beforeAll, expect, test } from "bun:test";
import { host } from "./host.ts";
import { allOf, settledVms } from "./traces.ts";

const machine = await host();
const root = { user: "root" } as const;
const slow = { timeoutMs: 900_000 } as const;
const small = "--image tiny --memory 128M --vcpu 1 --disk-size 64M";
const rounds = Number(process.env.BANGER_STORM ?? 1);
const count = process.env.BANGER_STORM === undefined ? 4 : 10;
const names = Array.from({ length: count }, (_, index) => `storm-${index}`);
/** All at once; each one's status and what it said. */
const atOnce = (lines: readonly string[]) => Promise.all(lines.map((line) => machine.run(line, slow)));
const failures = (results: Awaited<ReturnType<typeof atOnce>>) =>
  results.filter(({ status }) => status !== 0);
let nothing = "";

beforeAll(async () => {
  await machine.giveStore();
  await machine.ok("sudo ./banger system install --owner dev", slow);
  await machine.ok(`banger vm run --rm ${small} -- true`, slow);
  nothing = await allOf(machine);
}, 900_000);

test(
  `${count} VMs made, stopped, started and deleted at once leave nothing, ${rounds} times over`,
  async () => {
    for (let round = 0; round < rounds; round += 1) {
      expect(failures(await atOnce(names.map((name) => `banger vm create --name ${name} ${small}`)))).toEqual(
        [],
      );
      const vms = await settledVms(machine);
      expect(vms.map(({ state }) => state)).toEqual(names.map(() => "running"));
      const shown = await Promise.all(
        names.map(async (name) => JSON.parse(await machine.ok(`banger vm show --json ${name}`, slow))),
      );
      expect(new Set(shown.map(({ ip }) => ip)).size).toBe(count);
      expect(failures(await atOnce(names.map((name) => `banger vm exec ${name} -- /bin/true`)))).toEqual([]);
      expect(failures(await atOnce(names.map((name) => `banger vm stop ${name}`)))).toEqual([]);
      if (round === 0) {
        expect(failures(await atOnce(names.map((name) => `banger vm start ${name}`)))).toEqual([]);
        expect(failures(await atOnce(names.map((name) => `banger vm stop ${name}`)))).toEqual([]);
      }
      expect(failures(await atOnce(names.map((name) => `banger vm delete ${name}`)))).toEqual([]);
      expect(await allOf(machine)).toBe(nothing);
    }
  },
  1_100_000 * rounds,
);

test("of two that take the same name at once one wins, and the other is told", async () => {
  const results = await atOnce([1, 2].map(() => `banger vm create --name twice ${small}`));
  expect(results.map(({ status }) => status).sort()).toEqual([0, 1]);
  expect(failures(results)[0]?.stderr).toContain("twice");
  expect((await settledVms(machine)).filter(({ name }) => name === "twice")).toHaveLength(1);
}, 600_000);

test("a stop and a delete in the middle of a start leave what was asked for last", async () => {
  for (const word of ["stop", "delete"]) {
    await machine.run("banger vm stop twice", slow);
    const starting = machine.run("banger vm start twice", slow);
    await machine.ok(
      "until [ $(banger vm show --json twice | grep -c '\"starting\"') = 1 ]; do sleep 0.1; done",
      slow,
    );
    const { status, stderr } = await machine.run(`banger vm ${word} twice`, slow);
    await starting;
    expect([word, status, stderr.includes("internal")]).toEqual([word, 0, false]);
  }
  expect(await settledVms(machine)).toEqual([]);
  expect(await allOf(machine)).toBe(nothing);
}, 600_000);

test("VMs that run when the host is rebooted are stopped afterwards, say so, and start again with their disks", async () => {
  await machine.ok(`banger vm create --name through ${small}`, slow);
  await machine.ok(
    "banger vm exec through -- /bin/sh -c 'echo kept > /kept; echo kept > /root/kept; sync'",
    slow,
  );
  await machine.reboot();
  const through = (await settledVms(machine)).find(({ name }) => name === "through");
  expect(through).toMatchObject({ name: "through", state: "stopped", pid: null });
  await machine.ok("banger vm start through", slow);
  expect(await machine.ok("banger vm exec through -- /bin/cat /kept /root/kept", slow)).toBe("kept\nkept\n");
  await machine.ok("banger vm delete through", slow);
  expect(await machine.ok("ls /var/lib/banger/vms", root)).toBe("");
}, 900_000);
