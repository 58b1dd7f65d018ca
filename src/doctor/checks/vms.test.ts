import { describe, expect, test } from "bun:test";
import { VmName } from "../../base/ids.ts";
import type { Vm } from "../../rpc/contract.ts";
import { aVm, healthy, verdict } from "../testing/healthy.ts";

const GiB = 1024 ** 3;
const otter: Vm = {
  ...{ id: aVm, name: VmName.parse("otter"), state: "running", driver: "firecracker", ip: null, pid: 4711 },
  ...{ image: { id: "i", name: "i" }, kernel: { id: "k", name: "k" }, ephemeral: false, workspace: null },
  spec: { vcpu: 1, memoryMiB: 512, diskBytes: GiB, overlayBytes: GiB, nat: false },
  ...{ lastError: null, consoleLog: "", channel: null, layer: null, cost: null, start: null, asleep: false },
  ...{ createdAt: "", updatedAt: "", startedAt: null, usedAt: null },
};
const { answer } = healthy.daemon;
if (answer === undefined) throw new Error("the healthy host has a daemon");
const withVm = (change: Partial<Vm>) => ({
  daemon: { ...healthy.daemon, answer: { ...answer, vms: [{ ...otter, ...change }] } },
});
const silent = { answer: undefined, socketThere: false, startError: undefined };

describe("VMs", () => {
  test("are counted", () => {
    expect(verdict("vms", withVm({}))).toMatchObject({ state: "pass", summary: "1 in all, 1 running" });
  });

  test("whose system disk is nearly full are told before it is too late", () => {
    const layer = { usedBytes: 0.95 * GiB, totalBytes: GiB, overflowed: false };
    expect(verdict("vms", withVm({ layer }))).toMatchObject({
      state: "warn",
      summary: "the system disk is nearly full: otter",
    });
    expect(verdict("vms", withVm({ layer: { ...layer, overflowed: true } }))).toMatchObject({
      state: "fail",
      summary: "the system disk has run full and is lost: otter",
    });
  });

  test("that have failed can be asked why", () => {
    expect(verdict("vms", withVm({ state: "error", pid: null }))).toMatchObject({
      state: "warn",
      remedy: ["banger vm show otter"],
    });
  });

  test("are not known where no daemon runs, which is nothing bad", () => {
    expect(verdict("vms", { daemon: silent }).state).toBe("skip");
    expect(verdict("daemon", { daemon: silent })).toMatchObject({
      state: "pass",
      summary: "none runs; the next command starts one",
    });
  });
});

describe("the daemon", () => {
  test("of another build is replaced by the next command", () => {
    const status = { ...answer.status, version: "0.0.9" };
    expect(verdict("daemon", { daemon: { ...healthy.daemon, answer: { ...answer, status } } })).toMatchObject(
      {
        state: "warn",
        remedy: ["banger daemon stop"],
      },
    );
  });

  test("that could not start has said why", () => {
    const startError = { message: "the disk is full\nreally", hint: "free some disk space" };
    expect(verdict("daemon", { daemon: { ...silent, startError } })).toEqual({
      state: "warn",
      summary: "the last one could not start: the disk is full",
      remedy: ["free some disk space", "banger daemon logs"],
    });
  });
});
