/**
 * The QEMU process of the emulated host. Software emulation with AMD's virtualisation extensions, so that the host's own
 * kvm_amd works and a real Firecracker runs in it.
 *
 * It has one processor. With two, QEMU (7.2 and 10.0 alike) delivers an interrupt from the one to the other, now and then, right
 * after a #VMEXIT, where the global interrupt flag is clear (AMD64 manual, volume 2, 15.17): KVM kicks a running guest just so.
 * Linux then runs its handler on the guest's GS base, and dies: seen as a panic in __svm_vcpu_run, as "scheduling while atomic",
 * and as a host that falls silent (November 2026, one system test in ten).
 *
 * There is at most one per checkout. It outlives the command that started it, and is found again by what it writes to.
 */
import { closeSync, openSync } from "node:fs";
import { mkdtemp, readFile } from "node:fs/promises";
import { createServer } from "node:net";
import { getPriority } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import {
  atomicWrite,
  findProcesses,
  identify,
  ProcessIdentitySchema,
  removeTree,
  signalProcess,
  spawnDetached,
  waitForExit,
} from "../../../src/sys/sys.ts";
import { connectQmp } from "../../../src/vmm/qemu/qmp.ts";
import { runFiles } from "./places.ts";
import { cmdline } from "./recipe.ts";
import { quote } from "./ssh.ts";

const HostRecord = z.strictObject({
  process: ProcessIdentitySchema,
  /** On loopback, forwarded to the host's sshd. */
  sshPort: z.int(),
  /**
   * Directory of ssh's control sockets. Its path is short, because a socket's must be; and not in the TMPDIR of the test file
   * that starts the host, which outlives the file.
   */
  control: z.string(),
  key: z.string(),
  vmlinux: z.string(),
  initramfs: z.string(),
  disk: z.string(),
  /** A file that is the host's second disk, read-only. */
  payload: z.string(),
  /** Scenarios have been through it. */
  used: z.boolean(),
});
export type HostRecord = z.infer<typeof HostRecord>;
export type HostParts = Pick<HostRecord, "key" | "vmlinux" | "initramfs" | "disk" | "payload">;

const sigkill = 9;
const niceness = 10;

/** The record of the host that is up. Undefined when none is, or one of which nothing more is known. */
export async function hostRecord(): Promise<HostRecord | undefined> {
  const text = await readFile(runFiles.record, "utf8").catch(() => "{}");
  const record = HostRecord.safeParse(JSON.parse(text)).data;
  if (record === undefined) return undefined;
  return living().some(({ identity }) => identity.pid === record.process.pid) ? record : undefined;
}

/**
 * Starts the machine, and ends one that is left over. Returns before anything in it runs: from its kernel, or from where
 * it was when `saved` was written.
 */
export async function launch(parts: HostParts, saved?: string): Promise<HostRecord> {
  await endMachine();
  const sshPort = await freePort();
  const control = await mkdtemp("/tmp/banger-host-");
  const log = openSync(runFiles.qemuLog, "w", 0o600);
  try {
    // Niceness adds up: what runs the tests may be nice already, and a host at 19 starves beside a compiler.
    const nicer = String(Math.max(0, niceness - getPriority()));
    const incoming = saved === undefined ? [] : ["-incoming", `exec:exec cat ${quote(saved)}`];
    const qmp = ["-qmp", `unix:${qmpSocket({ control })},server=on,wait=off`];
    const qemu = ["qemu-system-x86_64", ...qemuArguments(parts, sshPort), ...qmp, ...incoming];
    const child = spawnDetached("nice", ["-n", nicer, ...qemu], { stdout: log, stderr: log });
    const identity = child.pid === undefined ? undefined : identify(child.pid);
    if (identity === undefined) throw new Error(`QEMU did not start; its log: ${runFiles.qemuLog}`);
    const record: HostRecord = { process: identity, sshPort, control, used: false, ...parts };
    await write(record);
    return record;
  } finally {
    closeSync(log);
  }
}

export async function markUsed(record: HostRecord): Promise<void> {
  await write({ ...record, used: true });
}

async function write(record: HostRecord): Promise<void> {
  await atomicWrite(runFiles.record, JSON.stringify(record), { mode: 0o600 });
}

/** As if the power had failed: what the host has not flushed is gone, what it has is on its disk. */
export async function endMachine(): Promise<void> {
  for (const { identity } of living()) {
    signalProcess(identity, sigkill);
    await waitForExit(identity, AbortSignal.timeout(30_000));
  }
  const text = await readFile(runFiles.record, "utf8").catch(() => "{}");
  const record = HostRecord.safeParse(JSON.parse(text)).data;
  if (record !== undefined) await removeTree(record.control);
}

const saveMs = 120_000;

/**
 * Writes the machine's memory and devices to a file, and ends it: the other half, its disk, stays as it is then, and must
 * not be written any more.
 */
export async function saveMachine(record: HostRecord, to: string): Promise<void> {
  const qmp = await connectQmp(qmpSocket(record), AbortSignal.timeout(saveMs));
  try {
    await qmp.execute("migrate-set-capabilities", {
      capabilities: [{ capability: "events", state: true }],
    });
    // Slower than a disk by default, for networks.
    await qmp.execute("migrate-set-parameters", { "max-bandwidth": 1024 ** 4 });
    const ended = qmp.event(({ event, data }) => event === "MIGRATION" && /ed$/.test(String(data?.status)));
    await qmp.execute("migrate", { uri: `exec:exec cat > ${quote(to)}` });
    const { data } = await ended;
    if (data?.status !== "completed") throw new Error(`the host could not be saved: ${data?.status}`);
    await qmp.execute("quit");
  } finally {
    qmp.close();
  }
  await waitForExit(record.process, AbortSignal.timeout(30_000));
}

/** What QEMU's human monitor answers to a command. */
export async function monitor(record: HostRecord, command: string): Promise<string> {
  const qmp = await connectQmp(qmpSocket(record), AbortSignal.timeout(10_000));
  try {
    return String(await qmp.execute("human-monitor-command", { "command-line": command }));
  } finally {
    qmp.close();
  }
}

const qmpSocket = ({ control }: Pick<HostRecord, "control">) => join(control, "qmp");

const console = `file:${runFiles.consoleLog}`;

/** Killed test runs leave a QEMU without a record at the worst, but none without its command line. */
function living() {
  return findProcesses((argv) => /qemu-system-x86_64$/.test(argv[0] ?? "") && argv.includes(console));
}

function qemuArguments(parts: HostParts, sshPort: number): string[] {
  return [
    // The largest buffer for translated code that there is: at the default, 1 GiB, it is full every three minutes, and emptied.
    ...["-M", "q35", "-accel", "tcg,tb-size=2047", "-smp", "1", "-m", "6144"],
    // la57: five levels of page tables, walked in software, twice over for a nested guest. erms: Linux would clear and copy
    // memory by the byte, each of them emulated; without it a nested guest boots in little more than half the time.
    ...["-cpu", "max,+svm,+npt,-pku,la57=off,erms=off"],
    ...["-nodefaults", "-no-user-config", "-display", "none", "-serial", console],
    ...["-kernel", parts.vmlinux, "-initrd", parts.initramfs, "-append", cmdline.join(" ")],
    // unsafe: QEMU writes what the guest flushes, but does not wait for the real disk. A killed QEMU loses what was not flushed.
    ...["-drive", `file=${parts.disk},if=virtio,format=qcow2,cache=unsafe,discard=unmap`],
    ...["-drive", `file=${parts.payload},if=virtio,format=raw,readonly=on`],
    ...["-netdev", `user,id=outside,hostfwd=tcp:127.0.0.1:${sshPort}-:22`],
    ...["-device", "virtio-net-pci,netdev=outside", "-device", "virtio-rng-pci"],
  ];
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
