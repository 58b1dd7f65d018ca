import { describe, expect, test } from "bun:test";
import { PassThrough } from "node:stream";
import { BangerError } from "../base/base.ts";
import { VmId } from "../base/ids.ts";
import type { DiskUsage } from "../rpc/contract.ts";
import { runCli } from "./run-cli.ts";
import { FakeDaemon, fakeVm } from "./testing/fake-daemon.ts";
import { banger, session } from "./testing/harness.ts";

const MiB = 1024 ** 2;
const idle = { id: "22222222-2222-4222-8222-222222222222", name: "shy-heron", bytes: 300 * MiB };
const stopped = { id: VmId.parse(idle.id), state: "stopped" } as const;
const alpine = { id: "sha256:aa", name: "alpine-3", bytes: 20 * MiB };
const oldKernel = { id: "sha256:bb", name: "old", bytes: 10 * MiB };
const blobs = { id: "", name: "5 blobs", bytes: 5 * MiB };
const usage: DiskUsage = {
  directory: "/var/lib/banger/vms",
  freeBytes: 2048 * MiB,
  parts: [
    { what: "vm", count: 2, bytes: 500 * MiB, unused: [idle] },
    { what: "saved", count: 0, bytes: 0, unused: [] },
    { what: "image", count: 2, bytes: 700 * MiB, unused: [alpine] },
    { what: "kernel", count: 2, bytes: 60 * MiB, unused: [oldKernel] },
    { what: "template", count: 1, bytes: 100 * MiB, unused: [] },
    { what: "cache", count: 5, bytes: 5 * MiB, unused: [blobs] },
  ],
};
const nothing: DiskUsage = { ...usage, parts: usage.parts.map((part) => ({ ...part, unused: [] })) };

test("df shows each kind with its size, and what of it is not needed", async () => {
  const { status, out } = await banger(["df"], { daemon: new FakeDaemon({ "disk.usage": () => usage }) });
  expect(status).toBe(0);
  expect(out).toBe(`WHAT          COUNT  SIZE  NOT NEEDED
VMs           2      500M  300M
saved states  0      -     -
images        2      700M  20M
kernels       2      60M   10M
templates     1      100M  -
image cache   5      5M    5M
total                1.3G  335M
free on that disk: 2G
`);
});

test("df --json gives all of it to programs", async () => {
  const { out } = await banger(["df", "--json"], { daemon: new FakeDaemon({ "disk.usage": () => usage }) });
  expect(JSON.parse(out)).toEqual(usage);
});

describe("prune", () => {
  const daemon = (answer: DiskUsage = usage) =>
    new FakeDaemon({
      "disk.usage": () => answer,
      "vm.delete": () => ({}),
      "image.delete": () => ({}),
      "kernel.remove": () => ({}),
      "image.prune_cache": () => ({ bytes: blobs.bytes, blobs: 5, directory: "/x" }),
    });

  test("removes VMs before the images that they need, and those before kernels", async () => {
    const fake = daemon();
    const { status, out, err } = await banger(["prune", "--yes"], { daemon: fake });
    expect([status, out, err]).toEqual([
      0,
      "vm shy-heron\nimage alpine-3\nkernel old\ncache 5 blobs\n",
      "freed 335M\n",
    ]);
    expect(fake.calls.slice(1)).toEqual([
      { method: "vm.delete", params: { ref: idle.id, idle: true } },
      { method: "image.delete", params: { ref: alpine.id } },
      { method: "kernel.remove", params: { ref: oldKernel.id } },
      { method: "image.prune_cache", params: { dryRun: false } },
    ]);
  });

  test("shows what would go and asks first", async () => {
    for (const [answer, removed] of [
      ["y\n", true],
      ["n\n", false],
      ["", false],
    ] as const) {
      const fake = daemon();
      const workspace = { guestPath: "/root/repo", hostPath: "/work/a", head: "f".repeat(40) };
      fake.handlers["vm.list"] = () => [fakeVm("shy-heron", { ...stopped, workspace })];
      const { status, err } = await banger(["prune"], { daemon: fake, stdin: answer, tty: { stdin: true } });
      expect(status).toBe(0);
      expect(err).toContain("vm      shy-heron  300M\n");
      expect(err).toContain("total              335M\nshy-heron is stopped and cannot be asked: ");
      expect(err).toContain("go with it\nremove all of this? [y/N] ");
      expect(err.includes("nothing removed")).toBe(!removed);
      expect(fake.methods.includes("vm.delete")).toBe(removed);
    }
  });

  test("whose question is interrupted says that nothing has gone", async () => {
    const fake = daemon();
    fake.handlers["vm.list"] = () => [fakeVm("shy-heron", stopped)];
    const run = session({ daemon: fake, stdin: new PassThrough(), tty: { stdin: true } });
    const status = runCli(["prune"], run.ctx);
    while (!run.err().includes("[y/N]")) await Bun.sleep(1);
    run.interrupt("SIGINT");
    expect(await status).toBe(130);
    expect(run.err()).toEndWith("interrupted: nothing is removed\n");
    expect(fake.methods).not.toContain("vm.delete");
  });

  test("with --dry-run only looks, and without a terminal refuses to guess", async () => {
    const looked = daemon();
    const { out } = await banger(["prune", "--dry-run"], { daemon: looked });
    expect([out.split("\n").length, looked.methods]).toEqual([7, ["disk.usage"]]);
    const asked = daemon();
    const { status, err } = await banger(["prune"], { daemon: asked });
    expect([status, asked.methods]).toEqual([1, ["disk.usage"]]);
    expect(err).toEndWith("hint: remove it without a question: banger prune --yes\n");
  });

  test("goes on with the others when one cannot be removed, and says so by its status", async () => {
    const fake = daemon();
    fake.handlers["image.delete"] = () => {
      throw new BangerError("precondition", "image alpine-3 is used by late-comer");
    };
    const { status, err } = await banger(["prune", "--yes"], { daemon: fake });
    expect(status).toBe(1);
    expect(err).toContain("image alpine-3 is used by late-comer");
    expect(err).toContain("freed 315M");
    expect(fake.methods).toContain("image.prune_cache");
  });

  test("with nothing to prune says so", async () => {
    const { err } = await banger(["prune"], { daemon: daemon(nothing) });
    expect(err).toBe("nothing to prune: all that is there is needed\n");
  });
});
