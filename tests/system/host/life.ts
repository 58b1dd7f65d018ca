/** From nothing to a host that answers, and away again. */
import { copyFile, mkdir, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { removeTree, runChecked, waitForExit } from "../../../src/sys/sys.ts";
import { endMachine, type HostParts, type HostRecord, hostRecord, launch, monitor } from "./machine.ts";
import { executable, kept, payloadBytes, runFiles, silentName } from "./places.ts";
import { bootMs, layer, savedState, settledHost } from "./settled.ts";
import { runSsh, whenAnswering } from "./ssh.ts";

export type Say = (line: string) => void;

const asRoot = { user: "root", input: undefined, timeoutMs: 300_000 } as const;

/** Brings up a host that nothing has happened to yet; one that is up is ended. */
export async function up(say: Say): Promise<HostRecord> {
  const { base, kernel, disk } = await settledHost(say);
  await endMachine();
  const parts: HostParts = {
    key: base.key,
    initramfs: base.initramfs,
    vmlinux: kernel.vmlinux,
    disk: runFiles.disk,
    payload: runFiles.payload,
  };
  await packPayload();
  await freshDisk(disk);
  return boot(parts, say, savedState(disk));
}

/** The host as `up` left it, without making anything anew. */
export async function reset(record: HostRecord, say: Say): Promise<HostRecord> {
  const info = await runChecked("qemu-img", ["info", "--output=json", "-U", record.disk]);
  const { "full-backing-filename": backing } = JSON.parse(info.stdout.toString("utf8"));
  await endMachine();
  await freshDisk(String(backing));
  return boot(record, say, savedState(String(backing)));
}

/** Power that fails and comes back. */
export async function powerCut(record: HostRecord, say: Say): Promise<HostRecord> {
  await endMachine();
  return boot(record, say);
}

/** An orderly restart. */
export async function reboot(record: HostRecord, say: Say): Promise<HostRecord> {
  await shutDown(record);
  return boot(record, say);
}

/** Shuts the host down, and ends it when it does not. */
export async function down(): Promise<void> {
  const record = await hostRecord();
  if (record !== undefined) {
    await shutDown(record).catch(() => {
      // It is ended all the same.
    });
  }
  await endMachine();
}

async function shutDown(record: HostRecord): Promise<void> {
  await runSsh(record, "systemctl poweroff", { ...asRoot, timeoutMs: 20_000 });
  await waitForExit(record.process, AbortSignal.timeout(120_000));
}

/** From its kernel, or as it was saved. */
async function boot(parts: HostParts, say: Say, saved?: string): Promise<HostRecord> {
  const started = performance.now();
  const { key, initramfs, vmlinux, disk, payload } = parts;
  const record = await launch({ key, initramfs, vmlinux, disk, payload }, saved);
  await whenAnswering(record, bootMs);
  // A machine that was saved has the time of then.
  const clock = saved === undefined ? "" : `date --set=@${(Date.now() / 1000).toFixed(3)} >/dev/null;`;
  const state = await runSsh(
    record,
    `${clock} systemctl is-system-running --wait; test -e /home/dev/banger || tar -xf /dev/vdb -C /home/dev`,
    asRoot,
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  if (state.stdout.trim() !== "running") {
    const failed = await runSsh(record, "systemctl --failed --no-legend --plain", asRoot);
    throw new Error(
      `the emulated host is ${state.stdout.trim() || "silent"} after ${seconds} s: ${failed.stdout}`,
    );
  }
  say(`the emulated host is up after ${seconds} s; ssh on port ${record.sshPort}`);
  return record;
}

async function freshDisk(backing: string): Promise<void> {
  await removeTree(runFiles.disk);
  await layer(runFiles.disk, backing, "qcow2");
}

/** dist/banger, as it is now, on the way to dev's home. */
async function packPayload(): Promise<void> {
  await removeTree(runFiles.payload);
  await runChecked("tar", [
    ...["--create", "--file", runFiles.payload, "--numeric-owner", "--owner=1000", "--group=1000"],
    ...["-C", dirname(executable), "banger"],
  ]);
  await truncate(runFiles.payload, payloadBytes);
}

/** What there is to learn from a failure, in a directory of its own, whose path is returned. */
export async function collect(): Promise<string> {
  const dir = join(kept, `failed-${new Date().toISOString().replaceAll(":", "")}`);
  await mkdir(dir, { recursive: true });
  for (const name of ["consoleLog", "qemuLog"] as const) {
    await copyFile(runFiles[name], join(dir, name === "consoleLog" ? "console.log" : "qemu.log")).catch(
      () => {
        // The host has not come that far.
      },
    );
  }
  const record = await hostRecord();
  if (record === undefined) return dir;
  await writeFile(join(dir, "processors.txt"), await processors(record));
  if ((await runSsh(record, "true", { ...asRoot, timeoutMs: 60_000 })).status !== 0) {
    await writeFile(join(dir, silentName), "the host did not answer within a minute; QEMU still ran\n");
    return dir;
  }
  for (const [name, command] of Object.entries(questions)) {
    const { stdout, stderr } = await runSsh(record, command, asRoot);
    await writeFile(join(dir, name), stdout + stderr);
  }
  return dir;
}

/** Of a host that nobody can ask any more it shows where its processors are, and whether they move. */
async function processors(record: HostRecord): Promise<string> {
  const seen: string[] = [];
  for (let look = 0; look < 3; look += 1) {
    seen.push(await monitor(record, "info registers -a").catch((error: unknown) => String(error)));
    await Bun.sleep(1000);
  }
  return seen.join("\n");
}

const questions = {
  "journal.txt": "journalctl -b --no-pager -o short-precise",
  "kernel.txt": "dmesg",
  "state.txt":
    "set -x; ps axfww; systemctl --failed --no-pager; ip -d address; ip route; nft list ruleset; iptables-save; dmsetup info; " +
    "tail -n 50 /var/lib/banger/vms/*/*.log /var/lib/banger/bangerd.log; losetup -l; findmnt; df -h; ls -lR /run/banger* /etc/banger /var/lib/banger /var/lib/banger-jail",
} as const;
