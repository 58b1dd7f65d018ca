/**
 * Runs inside the emulated host, as root: banger's own Firecracker driver with the direct launcher, and a session with the
 * guest over vsock. One argument, JSON (see Asked); prints a line of JSON (see Told).
 */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { type GuestSession, openAgentSession } from "../../../src/guest/guest.ts";
import { agentPath, initPath } from "../../../src/host/embedded.ts";
import { listImages } from "../../../src/image/image.ts";
import { bootCmdline, moduleClosure, readKernel, storeInitramfs } from "../../../src/kernel/kernel.ts";
import { runChecked } from "../../../src/sys/sys.ts";
import { driverWords } from "../../../src/vmm/firecracker/cmdline.ts";
import { directJailer, firecrackerDriver, type MachineSpec, type VmmDriver } from "../../../src/vmm/vmm.ts";

export interface Asked {
  /** Name of an image in /var/lib/banger/images. */
  image: string;
  memoryMiB: number;
  end: "kill" | "power off" | "power button" | "immediate";
  /** A TAP device that is there, with the address 172.31.0.1/24 on it, and the public key that may log in as root. */
  network?: { tap: string; authorizedKey: string };
  /** In place of the driver's own words of the kernel's command line. */
  words?: string[];
}

export interface Told {
  probe: unknown;
  /** In ms from the driver's start: it returned, the agent said hello, basic.target was reached. */
  startedMs: number;
  helloMs: number;
  readyMs: number;
  /** `true` in the guest, each over the open session; and by a fresh ssh, when there is a network. */
  execMs: number[];
  sshMs: number[];
  uname: string;
  /** By a driver that knows nothing: the same machine. */
  foundAgain: boolean;
  foundInRunDir: boolean;
  secondStart: string;
  /** From the request to the end of Firecracker. */
  endMs: number;
  /** What is left in the run directory, and of processes. */
  left: string[];
  leftProcess: boolean;
  console: string;
}

const program = "/usr/local/bin/firecracker";
const guestAddress = "172.31.0.2";
const limitMs = 180_000;

function newDriver(): VmmDriver {
  return firecrackerDriver({
    programs: [program],
    jailer: directJailer(program),
    probeCache: "/tmp/fc-probe.json",
  });
}

async function prepare(asked: Asked, driver: VmmDriver): Promise<MachineSpec> {
  const image = (await listImages("/var/lib/banger/images")).find(({ name }) => name === asked.image);
  if (image === undefined) throw new Error(`there is no image ${asked.image}`);
  const kernel = await readKernel("/var/lib/banger/kernels", image.kernel.id);
  const modules = await moduleClosure(kernel.modules, driver.guestModules);
  const id = randomUUID();
  const dir = join("/tmp", `fc-${id.slice(0, 8)}`);
  const runDir = join(dir, "run");
  mkdirSync(runDir, { recursive: true, mode: 0o700 });
  const [root, work] = [join(dir, "root.ext4"), join(dir, "work.ext4")];
  await runChecked("cp", ["--sparse=always", image.rootfs, root]);
  await runChecked("chmod", ["600", root]);
  await runChecked("truncate", ["-s", "64M", work]);
  await runChecked("mke2fs", ["-q", "-F", "-t", "ext4", work]);
  return {
    id,
    name: asked.image,
    vcpu: 1,
    memoryMiB: asked.memoryMiB,
    kernel: kernel.vmlinux,
    initramfs: await storeInitramfs(dir, {
      modules,
      init: readFileSync(initPath),
      agent: readFileSync(agentPath),
    }),
    cmdline: bootCmdline,
    disks: [root, work].map((path) => ({ path, format: "raw", readOnly: false })),
    egress: "none",
    ...(asked.network === undefined ? {} : { network: { tap: asked.network.tap, mac: "02:00:00:00:00:02" } }),
    runDir,
    consoleLog: join(dir, "console.log"),
    vmmLog: join(dir, "vmm.log"),
  };
}

async function personalise(session: GuestSession, { network }: Asked): Promise<void> {
  const files = [];
  if (network !== undefined) {
    await runChecked("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", "/tmp/fc-host-key"]);
    const hostKey = readFileSync("/tmp/fc-host-key");
    rmSync("/tmp/fc-host-key");
    files.push(
      { path: "/etc/ssh/ssh_host_ed25519_key", mode: 0o600, content: hostKey },
      { path: "/root/.ssh/authorized_keys", mode: 0o600, content: Buffer.from(`${network.authorizedKey}\n`) },
    );
  }
  await session.personalise({
    hostname: "guest",
    machineId: randomBytes(16).toString("hex"),
    files,
    clock: "host" as const,
    entropy: randomBytes(64),
    ...(network === undefined ? {} : { network: { address: guestAddress, prefix: 24 } }),
  });
}

async function output(session: GuestSession, argv: string[]): Promise<string> {
  const command = await session.exec({ argv });
  let text = "";
  command.stdout.on("data", (chunk: Buffer) => {
    text += chunk.toString("utf8");
  });
  command.stderr.resume();
  const status = await command.exit;
  if (status !== 0) throw new Error(`${argv.join(" ")} ended with ${status} in the guest`);
  return text;
}

async function times(count: number, act: () => Promise<unknown>): Promise<number[]> {
  const all: number[] = [];
  for (let round = 0; round < count; round += 1) {
    const begun = performance.now();
    await act();
    all.push(Math.round(performance.now() - begun));
  }
  return all.sort((a, b) => a - b);
}

const sshArguments = [
  ...["-i", "/tmp/fc-key", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"],
  ...["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=60"],
  ...[`root@${guestAddress}`, "true"],
];

async function sshTimes(): Promise<number[]> {
  const until = performance.now() + limitMs;
  while (performance.now() < until) {
    try {
      await runChecked("ssh", sshArguments);
      return await times(5, () => runChecked("ssh", sshArguments));
    } catch {
      // sshd starts after basic.target.
      await Bun.sleep(500);
    }
  }
  throw new Error("the guest's sshd did not answer");
}

async function life(asked: Asked): Promise<Told> {
  if (asked.words !== undefined) (driverWords as string[]).splice(0, driverWords.length, ...asked.words);
  const driver = newDriver();
  const probe = await driver.probe();
  const spec = await prepare(asked, driver);
  const begun = performance.now();
  const since = () => Math.round(performance.now() - begun);
  const limit = AbortSignal.timeout(limitMs);
  try {
    const machine = await driver.start(spec, limit);
    const startedMs = since();
    const open = async () => openAgentSession(await driver.agentStream(machine, limit), { signal: limit });
    const first = await open();
    const helloMs = since();
    await personalise(first, asked);
    await first.ready(limit);
    const readyMs = since();
    // A daemon that starts again connects anew.
    first.close();
    const session = await open();
    const another = newDriver();
    const found = await another.find(spec.id, "/elsewhere");
    const told = {
      probe,
      startedMs,
      helloMs,
      readyMs,
      uname: (await output(session, ["uname", "-r"])).trim(),
      execMs: await times(10, () => output(session, ["true"])),
      sshMs: asked.network === undefined ? [] : await sshTimes(),
      foundAgain: Bun.deepEquals(found, machine),
      foundInRunDir: Bun.deepEquals(await another.findIn(spec.runDir), [machine]),
      secondStart: await driver.start(spec).then(
        () => "allowed",
        (error: unknown) => String(error),
      ),
    };
    const asking = performance.now();
    if (asked.end === "kill") await another.kill(machine);
    else if (asked.end === "power button") await another.pressPowerButton?.(machine);
    else await session.powerOff(asked.end === "immediate" ? "immediate" : "systemd", limit);
    await driver.exited(machine, AbortSignal.timeout(limitMs));
    const endMs = Math.round(performance.now() - asking);
    await another.kill(machine);
    return {
      ...told,
      endMs,
      left: readdirSync(spec.runDir),
      leftProcess: (await another.find(spec.id, spec.runDir)) !== undefined,
      console: readFileSync(spec.consoleLog, "utf8").slice(-2000),
    };
  } catch (error) {
    const [said, log] = [spec.consoleLog, spec.vmmLog].map((path) => readFileSync(path, "utf8").slice(-2000));
    throw new Error(`after ${since()} ms: ${String(error)}; Firecracker: ${log}; console: ${said}`);
  } finally {
    const left = await driver.find(spec.id, spec.runDir);
    if (left !== undefined) await driver.kill(left);
    rmSync(dirname(spec.runDir), { recursive: true });
  }
}

if (import.meta.main) {
  const asked: Asked = JSON.parse(process.argv.at(-1) ?? "");
  process.stdout.write(JSON.stringify(await life(asked)));
  process.exit(0);
}
