/** Real QEMU processes around kernels of a few bytes: the driver's life cycle without waiting for a guest to boot. */
import { spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type MachineHandle, type MachineSpec, qemuDriver } from "../../src/vmm/vmm.ts";
import { tinyKernel } from "./tiny-kernel.ts";

/** Why these tests cannot run here, or undefined. */
export const qemuMissing =
  spawnSync("qemu-system-x86_64", ["--version"]).status === 0
    ? undefined
    : "qemu-system-x86_64 is missing; run: npm run setup";
if (qemuMissing !== undefined) console.warn(`QEMU tests skipped: ${qemuMissing}`);

export class QemuFixture {
  readonly dir: string;
  readonly driver = qemuDriver();
  readonly #started: MachineHandle[] = [];

  /** Everything goes into a directory whose name contains `name`. */
  constructor(name = "") {
    this.dir = join(mkdtempSync(join(tmpdir(), "bq-")), `d${name}`);
    mkdirSync(this.dir);
    writeFileSync(join(this.dir, "initramfs"), "empty");
  }

  spec(what: Parameters<typeof tinyKernel>[0] = "halts"): MachineSpec {
    const id = randomUUID();
    const dir = join(this.dir, id.slice(0, 8));
    const runDir = join(dir, "run");
    mkdirSync(runDir, { recursive: true, mode: 0o700 });
    writeFileSync(join(dir, "kernel"), tinyKernel(what));
    writeFileSync(join(dir, "disk"), "");
    truncateSync(join(dir, "disk"), 1 << 20);
    return {
      id,
      name: "tiny",
      vcpu: 1,
      memoryMiB: 128,
      kernel: join(dir, "kernel"),
      initramfs: join(this.dir, "initramfs"),
      cmdline: [],
      disks: [{ path: join(dir, "disk"), format: "raw", readOnly: false }],
      egress: "none",
      runDir,
      consoleLog: join(dir, "console.log"),
      vmmLog: join(dir, "vmm.log"),
    };
  }

  async start(spec: MachineSpec, signal?: AbortSignal): Promise<MachineHandle> {
    const machine = await this.driver.start(spec, signal);
    this.#started.push(machine);
    return machine;
  }

  async close(): Promise<void> {
    for (const machine of this.#started) await this.driver.kill(machine);
    rmSync(join(this.dir, ".."), { recursive: true });
  }
}
