import { expect, test } from "bun:test";
import { FakeDaemon, fakeVm } from "../testing/fake-daemon.ts";
import { banger } from "../testing/harness.ts";

const daemon = () => new FakeDaemon({ "vm.list": () => [fakeVm("calm-otter")] });

test("vm cp of a path that begins with a VM's name says that a colon is missing", async () => {
  for (const [words, written] of [
    [["calm-otter/etc/hosts", "."], "calm-otter:/etc/hosts"],
    [["./notes.txt", "calm-otter"], "calm-otter:"],
  ] as const) {
    const { err } = await banger(["vm", "cp", ...words], { daemon: daemon() });
    expect(err).toEndWith(`hint: a path in VM calm-otter is written with a colon: ${written}\n`);
  }
  const { err } = await banger(["vm", "cp", "./calm-otter", "b"], { daemon: daemon() });
  expect(err).toEndWith("hint: a path in a VM is written VM:path; on this host it is cp's work\n");
});

test("vm cp -r says that directories are copied anyway", async () => {
  const { status, err } = await banger(["vm", "cp", "-r", "a", "calm-otter:"]);
  expect([status, err]).toEqual([
    2,
    "banger: there is no -r here\n  hint: leave it out: directories are copied with all that is in them, with modes and times, as cp -a does\n",
  ]);
});
