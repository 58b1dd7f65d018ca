/** The image, kernel and initramfs that the end-to-end tests keep in build/e2e, started by the QEMU driver alone. */
import { execFileSync } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { emptyOverlay } from "../../src/disk/qcow2.ts";
import { type GuestSession, openAgentSession, type Personality } from "../../src/guest/guest.ts";
import { bootCmdline } from "../../src/kernel/kernel.ts";
import { settle } from "../../src/vm/warm/template-guest.ts";
import { type MachineHandle, type MachineSpec, qemuDriver } from "../../src/vmm/vmm.ts";

const store = join(import.meta.dir, "../../build/e2e/banger");
const diskBytes = 8 * 1024 ** 3;

function stored(kind: string): string | undefined {
  const dir = join(store, kind);
  const digest = existsSync(dir) ? readdirSync(dir).find((name) => /^[0-9a-f]{64}$/.test(name)) : undefined;
  return digest === undefined ? undefined : join(dir, digest);
}

const image = stored("images");
const kernel = stored("kernels");
if (image === undefined || kernel === undefined)
  throw new Error("build/e2e has no image yet; run: npm run test:e2e");

/** There is one for each agent that was built. */
function newest(dir: string, prefix: string): string {
  const names = readdirSync(dir).filter((name) => name.startsWith(prefix));
  const age = (name: string) => statSync(join(dir, name)).mtimeMs;
  return names.sort((one, other) => age(other) - age(one))[0] ?? "";
}

export class RealGuest {
  readonly dir = mkdtempSync(join(tmpdir(), "brg-"));
  readonly driver = qemuDriver();
  readonly #started: MachineHandle[] = [];

  constructor(private readonly size: { memoryMiB: number; vcpu: number }) {}

  /** A booted, idle guest, saved: the directory of its memory, state and disks. */
  async template(egress: MachineSpec["egress"] = "none"): Promise<string> {
    const dir = join(this.dir, `template-${randomUUID().slice(0, 8)}`);
    mkdirSync(dir);
    writeFileSync(join(dir, "root.qcow2"), emptyOverlay(join(image ?? "", "rootfs.ext4"), diskBytes));
    execFileSync("sh", [
      "-c",
      'truncate -s 1G "$1" && mke2fs -q -F -t ext4 "$1"',
      "sh",
      join(dir, "work.ext4"),
    ]);
    const memory = join(dir, "memory");
    const machine = await this.start({ ...this.#spec(dir), egress, memory: { path: memory, use: "make" } });
    const session = await this.session(machine);
    await settle(session, async () => this.#person("t"), AbortSignal.timeout(300_000));
    session.close();
    await this.driver.save(machine, { state: join(dir, "state"), memory });
    await this.driver.kill(machine);
    return dir;
  }

  /** A machine that goes on from a template, with disks of its own. */
  clone(template: string): MachineSpec {
    const dir = join(this.dir, randomUUID().slice(0, 8));
    mkdirSync(dir);
    for (const disk of ["root.qcow2", "work.ext4"])
      execFileSync("cp", ["--sparse=always", "--reflink=auto", join(template, disk), dir]);
    return {
      ...this.#spec(dir),
      memory: { path: join(template, "memory"), use: "map" },
      restore: { state: join(template, "state") },
    };
  }

  #spec(dir: string): MachineSpec {
    const initramfs = newest(kernel ?? "", "initramfs-");
    const runDir = join(dir, "run");
    mkdirSync(runDir, { mode: 0o700 });
    return {
      ...{ id: randomUUID(), name: "real", ...this.size },
      ...{
        kernel: join(kernel ?? "", "vmlinux"),
        initramfs: join(kernel ?? "", initramfs),
        cmdline: bootCmdline,
      },
      disks: [
        { path: join(dir, "root.qcow2"), format: "qcow2", readOnly: false },
        { path: join(dir, "work.ext4"), format: "raw", readOnly: false },
      ],
      egress: "none",
      ...{ runDir, consoleLog: join(dir, "console.log"), vmmLog: join(dir, "vmm.log") },
    };
  }

  async start(spec: MachineSpec, signal?: AbortSignal): Promise<MachineHandle> {
    const machine = await this.driver.start(spec, signal);
    this.#started.push(machine);
    return machine;
  }

  async session(machine: MachineHandle): Promise<GuestSession> {
    return openAgentSession(await this.driver.agentStream(machine), { handshakeTimeoutMs: 120_000 });
  }

  personalise(session: GuestSession, hostname: string): Promise<void> {
    return session.personalise(this.#person(hostname));
  }

  #person(hostname: string): Personality {
    return {
      hostname,
      machineId: randomBytes(16).toString("hex"),
      network: { address: "10.0.2.15", prefix: 24, gateway: "10.0.2.2" },
      files: [
        { path: "/etc/hostname", mode: 0o644, content: Buffer.from(`${hostname}\n`) },
        {
          path: "/etc/hosts",
          mode: 0o644,
          content: Buffer.from(`127.0.0.1 localhost\n127.0.1.1 ${hostname}\n`),
        },
        { path: "/etc/resolv.conf", mode: 0o644, content: Buffer.from("# no network\n") },
        { path: "/etc/ssh/sshd_config.d/99-banger.conf", mode: 0o644, content: Buffer.from("# settings\n") },
        { path: "/etc/ssh/ssh_host_ed25519_key", mode: 0o600, content: randomBytes(400) },
        { path: "/etc/ssh/ssh_host_ed25519_key.pub", mode: 0o644, content: randomBytes(90) },
        { path: "/root/.ssh/authorized_keys", mode: 0o600, content: randomBytes(90) },
      ],
      clock: "host" as const,
      entropy: randomBytes(64),
    };
  }

  /** What a command printed; throws unless it ended with 0. */
  async run(session: GuestSession, argv: readonly string[]): Promise<string> {
    const child = await session.exec({ argv, after: "agent" });
    child.stdin.end();
    const [out, err, status] = await Promise.all([text(child.stdout), text(child.stderr), child.exit]);
    if (status !== 0) throw new Error(`${argv.join(" ")} ended with ${status}: ${out}${err}`);
    return out;
  }

  async kill(machine: MachineHandle): Promise<void> {
    await this.driver.kill(machine);
  }

  async close(): Promise<void> {
    for (const machine of this.#started) await this.driver.kill(machine);
    rmSync(this.dir, { recursive: true });
  }
}
