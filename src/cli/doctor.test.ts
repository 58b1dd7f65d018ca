import { describe, expect, test } from "bun:test";
import type { Report, Result } from "../doctor/doctor.ts";
import { runCli } from "./run-cli.ts";
import { banger, session } from "./testing/harness.ts";

const result = (group: string, id: string, change: Partial<Result> = {}): Result => ({
  ...{ group, id, state: "pass", summary: "good", remedy: [], fixes: [] },
  evidence: [{ looked: `/proc/${id}`, found: "what\x1b[2Jever" }],
  ...change,
});
const report = (...results: Result[]): Report => ({
  distribution: { family: "debian", name: "Debian GNU/Linux 12 (bookworm)" },
  ...{ mode: "user", modeReason: "no system services are installed", results },
  conclusion: { works: "slowly", text: "VMs work here, but slowly.", next: "banger vm run --rm" },
});
const slow = result("This machine", "kvm", {
  state: "warn",
  summary: "VMs are emulated, slow: the CPU has no vmx or svm, and nobody knows whether it ever will",
  remedy: ["sudo modprobe kvm_intel", "log in again"],
});
const qemu = result("Programs", "qemu");
const failed = result("Programs", "e2fsprogs", { state: "fail", summary: "gone", remedy: ["sudo get it"] });
const skipped = result("VMs", "vms", { state: "skip", summary: "not looked at" });

describe("banger doctor", () => {
  test("has a line for each check, then what to do, and what it comes to", async () => {
    const { status, out, err } = await banger(["doctor"], {
      examine: async () => report(slow, qemu, skipped),
    });
    expect([status, err]).toEqual([0, ""]);
    expect(out).toMatchInlineSnapshot(`
      "banger dev (unknown) on Debian GNU/Linux 12 (bookworm), user mode

      This machine
        WARN  kvm   VMs are emulated, slow: the CPU has no vmx or svm, and nobody knows whether it ever will

      Programs
        PASS  qemu  good

      VMs
        SKIP  vms   not looked at

      What to do
        kvm   sudo modprobe kvm_intel
              log in again

      VMs work here, but slowly.
      1 PASS, 1 WARN, 1 SKIP. More: banger doctor --verbose
      Try it: banger vm run --rm
      "
    `);
  });

  test("wraps at a terminal's width and colours there; what is to be pasted stays whole", async () => {
    const long = { ...slow, remedy: [`sudo ${"very ".repeat(20)}long`] };
    const run = session({ examine: async () => report(long), tty: { stdout: true }, env: { TERM: "xterm" } });
    await runCli(["doctor"], run.ctx);
    const lines = run
      .out()
      .replace(/\x1b\[\d+m/g, "")
      .split("\n");
    expect(lines.filter((line) => line.length > 80)).toEqual([`  kvm  ${long.remedy[0]}`]);
    expect(run.out()).toContain("\x1b[33mWARN");
    const plain = session({
      examine: async () => report(long),
      tty: { stdout: true },
      env: { NO_COLOR: "1" },
    });
    await runCli(["doctor"], plain.ctx);
    expect(plain.out()).not.toContain("\x1b");
  });

  test("fits forty columns, but for what is to be pasted", async () => {
    const run = session({ examine: async () => report(slow, failed), tty: { stdout: true } });
    run.resize(40, 24);
    await runCli(["doctor"], run.ctx);
    const text = run.out().replace(/\x1b\[\d+m/g, "");
    expect(text.split("\n").filter((line) => line.length > 40)).toEqual([]);
    expect(text).toContain("  WARN  kvm\n        VMs are emulated, slow: the CPU\n");
  });

  test("wraps what to do where it is a sentence", async () => {
    const lines = [
      "ask this virtual machine's host for nested virtualisation",
      "usermod -aG kvm somebody-with-a-long-long-long-name",
    ];
    const run = session({ examine: async () => report({ ...slow, remedy: lines }), tty: { stdout: true } });
    run.resize(48, 24);
    await runCli(["doctor"], run.ctx);
    expect(run.out().replace(/\x1b\[\d+m/g, "")).toContain(
      `  kvm\n    ask this virtual machine's host for nested\n    virtualisation\n    ${lines[1]}\n`,
    );
  });

  test("ends with 1 when a check fails, and says first what to do about that", async () => {
    const { status, out } = await banger(["doctor"], { examine: async () => report(slow, failed) });
    expect(status).toBe(1);
    expect(out.indexOf("sudo get it")).toBeLessThan(out.indexOf("sudo modprobe kvm_intel"));
    expect(out).toContain("1 WARN, 1 FAIL.");
  });

  test("shows its evidence when asked, and obeys none of it", async () => {
    const { out } = await banger(["doctor", "-v"], { examine: async () => report(qemu) });
    expect(out).toContain("/proc/qemu: what\\x1b[2Jever");
    expect((await banger(["doctor"], { examine: async () => report(qemu) })).out).not.toContain("/proc/qemu");
  });

  test("is a record for programs, with the same status", async () => {
    const { status, out } = await banger(["doctor", "--json"], { examine: async () => report(qemu, failed) });
    expect(status).toBe(1);
    expect(JSON.parse(out)).toMatchObject({
      version: expect.any(String),
      mode: "user",
      conclusion: { works: "slowly" },
      results: [
        { id: "qemu", state: "pass" },
        { id: "e2fsprogs", state: "fail", remedy: ["sudo get it"] },
      ],
    });
  });
});
