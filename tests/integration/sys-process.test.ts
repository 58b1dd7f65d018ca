/** Process identity, waiting, locks and peers against the real kernel. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  identify,
  isAlive,
  lockFile,
  type ProcessIdentity,
  peerCredentials,
  signalProcess,
  waitForExit,
} from "../../src/sys/sys.ts";

let dir: string;
const children: ProcessIdentity[] = [];
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-sys-"));
});
afterEach(() => {
  for (const child of children.splice(0)) signalProcess(child, 9);
  rmSync(dir, { recursive: true });
});

function sleeper(): ProcessIdentity {
  const child = spawn("sleep", ["1000"], { stdio: "ignore", detached: true });
  child.unref();
  const identity = identify(child.pid ?? 0);
  if (identity === undefined) throw new Error("sleep did not start");
  children.push(identity);
  return identity;
}

const openDescriptors = () => readdirSync("/proc/self/fd").length;

describe("waiting for a process", () => {
  test("ends with it, for every waiter, and keeps no descriptor", async () => {
    const before = openDescriptors();
    const process = sleeper();
    const waits = [waitForExit(process), waitForExit(process), waitForExit(process)];
    expect(signalProcess(process, 15)).toBe(true);
    await Promise.all(waits);
    expect(isAlive(process)).toBe(false);
    expect(signalProcess(process, 15)).toBe(false);
    // One more lets the event loop close what it has been told to close.
    await waitForExit(process);
    expect(openDescriptors()).toBeLessThanOrEqual(before + 1);
  });

  test("costs no time once it has ended, and no wake-ups before", async () => {
    const process = sleeper();
    const wait = waitForExit(process);
    const cpu = globalThis.process.cpuUsage();
    await Bun.sleep(300);
    const used = globalThis.process.cpuUsage(cpu);
    expect(used.user + used.system).toBeLessThan(100_000);
    const started = performance.now();
    signalProcess(process, 9);
    await wait;
    expect(performance.now() - started).toBeLessThan(200);
  });

  test("can be given up, and leaves the process alone", async () => {
    const process = sleeper();
    await expect(waitForExit(process, AbortSignal.timeout(20))).rejects.toThrow();
    await expect(waitForExit(process, AbortSignal.abort())).rejects.toThrow();
    expect(isAlive(process)).toBe(true);
  });

  test("whose number belongs to another by now ends at once, and that one lives", async () => {
    const process = sleeper();
    const former = { ...process, startTicks: process.startTicks - 100 };
    await waitForExit(former);
    expect(signalProcess(former, 9)).toBe(false);
    expect(isAlive(process)).toBe(true);
  });
});

describe("a lock file", () => {
  const holder = (path: string) => {
    const source = `
      const { lockFile } = await import(${JSON.stringify(join(import.meta.dir, "../../src/sys/sys.ts"))});
      console.log(lockFile(${JSON.stringify(path)}) === undefined ? "refused" : "held");
      if (process.argv[1] === "stay") setInterval(() => {}, 1000);
    `;
    return (stay: boolean) =>
      Bun.spawn([process.execPath, "-e", source, ...(stay ? ["stay"] : [])], { stdout: "pipe" });
  };

  test("is held by one process, and free when that is killed", async () => {
    const path = join(dir, "lock");
    const start = holder(path);
    const first = start(true);
    const reader = first.stdout.getReader();
    const said = new TextDecoder().decode((await reader.read()).value);
    expect(said).toBe("held\n");
    expect(await new Response(start(false).stdout).text()).toBe("refused\n");
    expect(lockFile(path)).toBeUndefined();
    first.kill("SIGKILL");
    await first.exited;
    const lock = lockFile(path);
    expect(lock).toBeDefined();
    expect(lockFile(path)).toBeUndefined();
    lock?.release();
    lockFile(path)?.release();
  });
});

test("a unix socket's other end is known by pid, uid and gid", async () => {
  const path = join(dir, "s");
  const accepted = Promise.withResolvers<Socket & { fd?: number }>();
  const server = createServer((socket) => accepted.resolve(socket)).listen(path);
  const client = connect(path);
  const socket = await accepted.promise;
  const fd = (socket as unknown as { _handle: { fd: number } })._handle.fd;
  expect(peerCredentials(fd)).toEqual({
    pid: process.pid,
    uid: process.getuid?.() ?? -1,
    gid: process.getgid?.() ?? -1,
  });
  client.destroy();
  socket.destroy();
  server.close();
});
