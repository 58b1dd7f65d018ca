/** A jailer whose Firecrackers are mere sleepers, with an API that says yes to everything unless it is told otherwise. */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { BangerError } from "../../../base/base.ts";
import { identify, type ProcessIdentity, signalProcess, waitForExit } from "../../../sys/sys.ts";
import type { MachineSpec } from "../../vmm.ts";
import type { JailedMachine, Jailer, JailView } from "../jailer.ts";

export const vmId = "0d4f2f3e-6a52-4b39-9d0b-7f1f0c1f2a3b";

/** A machine whose files are in this directory. */
export function specIn(dir: string): MachineSpec {
  return {
    id: vmId,
    name: "web",
    vcpu: 1,
    memoryMiB: 128,
    kernel: "/k/vmlinux",
    initramfs: "/k/initramfs",
    cmdline: [],
    disks: [{ path: "/dev/mapper/x", format: "raw", readOnly: false }],
    egress: "none",
    runDir: join(dir, "run"),
    consoleLog: join(dir, "console.log"),
    vmmLog: join(dir, "vmm.log"),
  };
}

export class FakeJailer implements Jailer {
  readonly jail: JailView = {
    ...{ kernel: "/vmlinux", initramfs: "/initramfs", disks: ["/root.dev"], run: "/run" },
    saved: { memory: "/template.memory", state: "/template.state" },
  };
  readonly machines: JailedMachine[] = [];
  /** Answers the request to this path, in place of 204. */
  answers: Record<string, () => Response> = {};
  heard: string[] = [];
  bodies: unknown[] = [];
  readonly #servers: { stop(force: boolean): unknown }[] = [];
  ended: string[] = [];

  launch = async ({ runDir }: Pick<MachineSpec, "runDir">) => {
    if (this.machines.length > 0) throw new BangerError("precondition", "the VM runs already");
    mkdirSync(this.runPath(runDir), { recursive: true });
    const server = Bun.serve({
      unix: join(this.runPath(runDir), "firecracker.socket"),
      fetch: async (request) => {
        const { pathname } = new URL(request.url);
        this.heard.push(`${request.method} ${pathname}`);
        this.bodies.push(await request.json().catch(() => undefined));
        return this.answers[pathname]?.() ?? new Response(null, { status: 204 });
      },
    });
    this.#servers.push(server);
    const process = sleeper();
    this.machines.push({ id: vmId, process, runDir });
    return { process, view: this.jail };
  };
  runPath = (runDir: string) => join(runDir, "jail");
  signal = async (_id: string, process: ProcessIdentity, signal: number) => {
    signalProcess(process, signal);
  };
  end = async (ended: string) => {
    this.ended.push(ended);
    for (const { process } of this.machines) if (process !== undefined) await kill(process);
    this.machines.length = 0;
  };
  find = async (wanted: string) => this.machines.find((machine) => machine.id === wanted);
  all = async () => this.machines;

  async close(): Promise<void> {
    for (const server of this.#servers) await server.stop(true);
    await this.end(vmId);
  }
}

function sleeper(): ProcessIdentity {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  const identity = identify(child.pid ?? 0);
  if (identity === undefined) throw new Error("sleep did not start");
  return identity;
}

export async function kill(process: ProcessIdentity): Promise<void> {
  signalProcess(process, 9);
  await waitForExit(process);
}
