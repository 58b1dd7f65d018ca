import { expect, test } from "bun:test";
import { FakeDaemon, fakeVm } from "../testing/fake-daemon.ts";
import { banger } from "../testing/harness.ts";

const vm = fakeVm("calm-otter");

test.each([
  [["--nat"], { nat: true }],
  [["--no-nat"], { nat: false }],
  [["--memory", "2G", "--vcpu", "3"], { memoryMiB: 2048, vcpu: 3 }],
  [["--disk-size", "64G"], { diskBytes: 64 * 1024 ** 3 }],
])("vm set %p asks for that and nothing else", async (flags, change) => {
  const daemon = new FakeDaemon({ "vm.resolve": () => [{ ref: vm.name, vm }], "vm.set": () => vm });
  const { status, err } = await banger(["vm", "set", "calm-otter", ...flags], { daemon });
  expect([status, err]).toEqual([0, ""]);
  expect(daemon.calls.at(-1)).toMatchObject({ method: "vm.set", params: { ref: vm.id, ...change } });
  expect(Object.keys(daemon.calls.at(-1)?.params ?? {}).sort()).toEqual(
    ["ref", ...Object.keys(change)].sort(),
  );
});

test.each([
  [[], "nothing to change"],
  [["--nat", "--no-nat"], "--nat and --no-nat contradict each other"],
])("vm set %p is refused", async (flags, message) => {
  const { status, err } = await banger(["vm", "set", "calm-otter", ...flags]);
  expect([status, err]).toEqual([1, expect.stringContaining(message)]);
});
