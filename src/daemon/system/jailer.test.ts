/** A launch is over when Firecracker can be talked to, whatever the helper has seen before. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { newVmId } from "../../base/ids.ts";
import { jailFiles } from "../../rpc/rpc.ts";
import { identify } from "../../sys/sys.ts";
import type { LaunchRequest } from "../../vmm/vmm.ts";
import type { Helper } from "./helper-client.ts";
import { helperJailer } from "./jailer.ts";

let dir: string;
let server: Server | undefined;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "banger-jailer-"));
});
afterEach(() => {
  server?.close();
  rmSync(dir, { recursive: true, force: true });
});

/** A helper that has launched a process, with what becomes of it left to the test. */
function launched(pid: number) {
  const id = newVmId();
  const calls: string[] = [];
  const process = identify(pid);
  const helper = {
    call: async (method: string) => {
      calls.push(method);
      return { process };
    },
  } as unknown as Helper;
  const runDir = join(dir, "run", id);
  mkdirSync(runDir, { recursive: true });
  const socket = join(dir, "jails/firecracker", id, "root", jailFiles.apiSocket);
  mkdirSync(dirname(socket), { recursive: true });
  const jailer = helperJailer(helper, {
    vms: { vms: join(dir, "vms"), run: join(dir, "run") } as never,
    jails: join(dir, "jails"),
  });
  const request = {
    ...{ id, runDir, kernel: `/kernels/${"a".repeat(64)}/vmlinux`, initramfs: "/kernels/x/initramfs-x.cpio" },
    ...{ disks: [], vcpu: 1, memoryMiB: 128, consoleLog: join(dir, "vms", id, "console.log"), vmmLog: "" },
  } as LaunchRequest;
  return {
    calls,
    socket,
    link: join(runDir, "jail", basename(socket)),
    launch: () => jailer.launch(request),
  };
}

/** bind(2) without listen(2), as far as a file can say: whoever connects is refused. */
async function boundOnly(path: string): Promise<void> {
  // By its last name: the whole path is longer than a socket's may be.
  const bind = `import socket; socket.socket(socket.AF_UNIX).bind("${basename(path)}")`;
  const child = Bun.spawn(["python3", "-c", bind], { cwd: dirname(path) });
  expect(await child.exited).toBe(0);
}

test("a launch waits until Firecracker listens on the socket that it has made", async () => {
  const { calls, socket, link, launch } = launched(process.pid);
  await boundOnly(socket);
  let over = false;
  const launching = launch().finally(() => {
    over = true;
  });
  await Bun.sleep(50);
  expect(over).toBe(false);
  rmSync(socket);
  server = createServer().listen(link);
  await launching;
  expect(calls).toEqual(["machine.launch"]);
});

test("a Firecracker that ends before it listens is a launch that failed, and is cleared up after", async () => {
  const child = Bun.spawn(["sleep", "0.2"]);
  const { calls, socket, launch } = launched(child.pid);
  await boundOnly(socket);
  await expect(launch()).rejects.toThrow("Firecracker ended at once");
  expect(calls).toEqual(["machine.launch", "machine.end"]);
});
