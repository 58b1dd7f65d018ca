/** What the QEMU driver finds out about the host, on the host at hand and on hosts that lack something. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bootTest } from "../../src/vmm/qemu/boot-test.ts";
import { qemuDriver } from "../../src/vmm/vmm.ts";
import { qemuMissing } from "./qemu-fixture.ts";

const path = process.env.PATH;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-probe-"));
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(dir, { recursive: true });
});

/** A QEMU that says its version, counts how often it was asked, and can do nothing else. */
function fakeQemu(version: string): void {
  const program = join(dir, "qemu-system-x86_64");
  writeFileSync(
    program,
    `#!/bin/sh\necho asked >>${dir}/asked\necho "QEMU emulator version ${version} (Fake)"\n`,
  );
  chmodSync(program, 0o755);
  process.env.PATH = `${dir}:${path}`;
}

const asked = () => readFileSync(join(dir, "asked"), "utf8").split("\n").length - 1;

describe.skipIf(qemuMissing !== undefined)("the boot test", () => {
  test("passes where a guest runs, and fails where it cannot even begin", async () => {
    expect(await bootTest("tcg")).toBe(true);
    process.env.PATH = "/nonexistent";
    expect(await bootTest("tcg")).toBe(false);
  });
});

describe("the probe", () => {
  test.skipIf(qemuMissing !== undefined)(
    "finds this host's QEMU usable, and says why it is slow when it is",
    async () => {
      const probe = await qemuDriver().probe();
      expect(probe).toMatchObject({ driver: "qemu", usable: true });
      expect(probe.version).toMatch(/^\d+\.\d+\.\d+$/);
      expect(probe.acceleration === "kvm" ? undefined : probe.reason).toEqual(
        probe.acceleration === "kvm" ? undefined : expect.stringContaining("software emulation: "),
      );
    },
  );

  test("says what to install when there is no QEMU", async () => {
    process.env.PATH = dir;
    expect(await qemuDriver().probe()).toMatchObject({
      usable: false,
      acceleration: "none",
      reason: "qemu-system-x86_64 is not installed",
      hint: expect.stringContaining("apt-get install --no-install-recommends qemu-system-x86"),
    });
  });

  test("refuses a QEMU that is too old", async () => {
    fakeQemu("5.2.0");
    expect(await qemuDriver().probe()).toMatchObject({
      usable: false,
      reason: expect.stringContaining("too old"),
    });
  });

  test("asks a QEMU once, also across daemons, until it changes or its memory is damaged", async () => {
    const probeCache = join(dir, "cache.json");
    fakeQemu("9.1.0");
    const driver = qemuDriver({ probeCache });
    await driver.probe();
    await driver.probe();
    const first = asked();
    expect((await qemuDriver({ probeCache }).probe()).version).toBe("9.1.0");
    expect(asked()).toBe(first);
    writeFileSync(probeCache, '{"bootId":"half a li');
    expect((await qemuDriver({ probeCache }).probe()).version).toBe("9.1.0");
    expect(asked()).toBeGreaterThan(first);
    fakeQemu("10.0.11");
    expect((await qemuDriver({ probeCache }).probe()).version).toBe("10.0.11");
  });

  test("that was cancelled is no answer: the next one asks again", async () => {
    fakeQemu("9.1.0");
    const driver = qemuDriver();
    await expect(driver.probe(AbortSignal.abort())).rejects.toThrow();
    expect((await driver.probe()).version).toBe("9.1.0");
  });
});
