import { describe, expect, test } from "bun:test";
import type { Vm } from "../../rpc/contract.ts";
import { FakeDaemon, type FakeHandlers, fakeVm } from "../testing/fake-daemon.ts";
import { fakeGuest } from "../testing/fake-guest.ts";
import { banger } from "../testing/harness.ts";

const workspace = { guestPath: "/root/repo", hostPath: "/nowhere/a", head: "f".repeat(40) };
const terminal = { stdin: true, stderr: true };

function holding(vm: Vm, guest: string | undefined, more: FakeHandlers = {}): FakeDaemon {
  const daemon: FakeDaemon = new FakeDaemon({
    "vm.resolve": () => [{ ref: vm.name, vm }],
    "vm.delete": () => ({}),
    ...fakeGuest(
      () => daemon,
      async ({ stdio }) => {
        if (guest === undefined) return 65;
        stdio.write(guest);
        return 0;
      },
    ),
    ...more,
  });
  return daemon;
}

const said = (...digits: string[]) => `${digits.map((digit) => digit.repeat(40)).join(" ")}\n`;
const running = fakeVm("calm-otter", { workspace });
const stopped = fakeVm("calm-otter", { workspace, state: "stopped" });

describe("vm delete on a terminal", () => {
  const words = ["vm", "delete", "calm-otter"];

  test.each([
    ["commits and changes", running, said("a", "b", "f", "c"), "calm-otter has commits and changes that"],
    ["changes", running, said("f", "b", "f", "c"), "calm-otter has changes that"],
    ["a guest that does not say", running, undefined, "calm-otter did not say whether"],
    ["a VM that does not run", stopped, undefined, "calm-otter is stopped and cannot be asked"],
  ])("asks about %s", async (_, vm, guest, expected) => {
    for (const [stdin, gone] of [
      ["n\n", false],
      ["y\n", true],
    ] as const) {
      const daemon = holding(vm, guest);
      const { status, err } = await banger(words, { daemon, stdin, tty: terminal });
      expect([status, daemon.methods.includes("vm.delete")]).toEqual([0, gone]);
      expect(err).toStartWith(expected);
    }
  });

  test("asks nothing about a VM that has nothing of its own, or with --yes", async () => {
    for (const [vm, guest, more] of [
      [running, said("f", "c", "f", "c"), []],
      [fakeVm("calm-otter"), undefined, []],
      [stopped, undefined, ["--yes"]],
    ] as const) {
      const daemon = holding(vm, guest);
      const { status, err } = await banger([...words, ...more], { daemon, tty: terminal });
      expect([status, err, daemon.methods.at(-1)]).toEqual([0, "", "vm.delete"]);
    }
  });
});

test("vm delete in a script asks neither the guest nor anybody else", async () => {
  const daemon = holding(running, undefined);
  const { status, out } = await banger(["vm", "delete", "calm-otter"], { daemon });
  expect([status, out, daemon.methods]).toEqual([0, "calm-otter\n", ["vm.resolve", "vm.delete"]]);
});
