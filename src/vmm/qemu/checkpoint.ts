/**
 * A running machine's memory and state as files, by QEMU's live migration into a machine that never runs (receiver.ts):
 * memory goes over while the guest runs, what it writes meanwhile goes over again, and only for the last of it, and for
 * its devices, it is halted (docs/devel/migration in QEMU's tree). An emulated guest is halted for all of it: QEMU 7.2 loses
 * track of pages that emulated processors write meanwhile, and one checkpoint in ten held a guest that crashed. In that moment its disks go on in new layers; what
 * they were is a file that nobody writes any more. Then the guest goes on, and the receiver is saved.
 */
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { BangerError } from "../../base/base.ts";
import { checkSocketPath } from "../socket-path.ts";
import type { CheckpointRequest, MachineHandle, MachineSpec } from "../vmm.ts";
import { cancelled } from "../waiting.ts";
import { type Acceleration, runFiles } from "./arguments.ts";
import { readMemory } from "./memory.ts";
import { goOn, resume } from "./pause.ts";
import { connectQmp, type Qmp } from "./qmp.ts";
import { keepMemory, startReceiver } from "./receiver.ts";
import { capabilities, migrationEnd, saveState } from "./save.ts";

type Patience = readonly [Allowance, ...Allowance[]];
interface Allowance {
  afterMs: number;
  haltMs: number;
}
/** A guest that writes faster than its memory goes over is halted for longer: so much of a halt is allowed after so long. In ms. */
const patience = [
  { afterMs: 0, haltMs: 100 },
  { afterMs: 5_000, haltMs: 300 },
  { afterMs: 15_000, haltMs: 2_000 },
  { afterMs: 30_000, haltMs: 30_000 },
] as const satisfies Patience;
/** Some seconds for 3 GiB, a minute on a busy host: bounds one whose disk hangs. */
function checkpointMs({ memoryMiB }: MachineSpec): number {
  return 120_000 + memoryMiB * 60;
}
const unlimited = 2 ** 40;

export async function checkpoint(
  source: MachineHandle,
  request: CheckpointRequest,
  options: { acceleration: Acceleration; kill(machine: MachineHandle): Promise<void> },
  signal?: AbortSignal,
): Promise<{ haltedMs: number }> {
  if (signal?.aborted) throw cancelled(signal.reason);
  checkSocketPath(runFiles(request.receiver.runDir).incoming);
  const late = AbortSignal.timeout(checkpointMs(request.receiver));
  const until = signal === undefined ? late : AbortSignal.any([signal, late]);
  try {
    const runs = options.acceleration.name === "kvm";
    const looked = runs ? undefined : readMemory(source, until);
    looked?.catch(() => {
      // Waited for below, if it comes to that.
    });
    const receiver = await startReceiver(request.receiver, options, until);
    try {
      await looked;
      const halted = await takeMemory(source, receiver, { layers: request.layers, runs }, until);
      await keepMemory(receiver.machine, request.to.memory);
      await saveState(receiver.machine, request.to.state, until);
      return halted;
    } finally {
      await options.kill(receiver.machine);
    }
  } catch (error) {
    if (signal?.aborted) throw cancelled(signal.reason);
    if (!late.aborted) throw error instanceof BangerError ? error : wentAway(error);
    throw new BangerError(
      "guest_failed",
      `QEMU did not save within ${checkpointMs(request.receiver) / 1000} s`,
      {
        cause: error,
      },
    );
  }
}

/** Sockets that break, and files of a process that has ended: what they say is no help to anybody. */
function wentAway(cause: unknown): BangerError {
  return new BangerError("guest_failed", "QEMU ended, or went silent, while the machine was being saved", {
    hint: "see what became of the VM: banger vm list",
    cause,
  });
}

interface Manner {
  layers: readonly string[];
  /** It runs while its memory goes over. */
  runs: boolean;
}

async function takeMemory(
  source: MachineHandle,
  receiver: { machine: MachineHandle; failed: Promise<never> },
  how: Manner,
  signal: AbortSignal,
): Promise<{ haltedMs: number }> {
  const { incoming, qmp: control } = runFiles(receiver.machine.runDir);
  const to = await connectQmp(control, signal);
  try {
    const received = migrationEnd(to);
    received.catch(() => {});
    await to.execute("migrate-set-capabilities", { capabilities: capabilities("events") });
    await to.execute("migrate-incoming", { uri: `unix:${incoming}` });
    const halted = await send(source, incoming, how, signal);
    await Promise.race([received, receiver.failed]);
    return halted;
  } finally {
    to.close();
  }
}

const Status = z.looseObject({ running: z.boolean(), status: z.string() });

/** Sends it all; whatever happens, a guest that ran before runs afterwards. */
async function send(
  { runDir, ...source }: MachineHandle,
  incoming: string,
  { layers, runs }: Manner,
  signal: AbortSignal,
): Promise<{ haltedMs: number }> {
  const from = await connectQmp(runFiles(runDir).qmp, signal);
  let ran = false;
  try {
    const found = Status.parse(await from.execute("query-status"));
    ran = found.running;
    if (found.status === "postmigrate") await runForAnInstant(from);
    const nodes = await addLayers(from, layers);
    let began: number | undefined;
    try {
      await from.execute("migrate-set-capabilities", {
        capabilities: [...capabilities("events", "pause-before-switchover"), without("x-ignore-shared")],
      });
      const asked = performance.now();
      if (!runs) await from.execute("stop");
      await untilHalted(from, incoming, runs ? patience : [{ afterMs: 0, haltMs: 30_000 }]);
      began = runs ? performance.now() : asked;
      const completed = migrationEnd(from);
      completed.catch(() => {});
      await switchDisks(from, nodes);
      await from.execute("migrate-continue", { state: "pre-switchover" });
      await completed;
      if (ran) await goOn(from);
      const haltedMs = performance.now() - began;
      await from.execute("migrate-set-capabilities", { capabilities: [without("pause-before-switchover")] });
      return { haltedMs };
    } catch (error) {
      if (began === undefined) await forgetLayers(from, nodes);
      throw error;
    }
  } catch (error) {
    from.close();
    if (ran) await resume({ runDir, ...source }, AbortSignal.timeout(10_000));
    throw error;
  } finally {
    from.close();
  }
}

const without = (capability: string) => ({ capability, state: false });

/** QEMU saves a machine that stands still once only, and gives its disks away then: in between it has to run. */
async function runForAnInstant(qmp: Qmp): Promise<void> {
  await goOn(qmp);
  await qmp.execute("stop");
}

/** Opened before the guest is halted: then nothing of it costs time. */
async function addLayers(qmp: Qmp, layers: readonly string[]): Promise<string[]> {
  const series = randomBytes(6).toString("hex");
  return Promise.all(
    layers.map(async (filename, index) => {
      const name = `layer-${series}-${index}`;
      await qmp.execute("blockdev-add", {
        ...{ driver: "qcow2", "node-name": name, file: { driver: "file", filename }, backing: null },
        ...{ discard: "unmap", "detect-zeroes": "unmap" },
      });
      return name;
    }),
  );
}

async function forgetLayers(qmp: Qmp, nodes: readonly string[]): Promise<void> {
  for (const name of nodes) {
    await qmp.execute("blockdev-del", { "node-name": name }).catch(() => {
      // The machine is gone, or uses it by now.
    });
  }
}

/** All disks, or none. */
async function switchDisks(qmp: Qmp, nodes: readonly string[]): Promise<void> {
  if (nodes.length === 0) return;
  await qmp.execute("transaction", {
    actions: nodes.map((overlay, index) => ({
      type: "blockdev-snapshot",
      data: { node: `disk${index}`, overlay },
    })),
  });
}

/** Memory goes over while the guest runs; resolves when QEMU has halted it, with little left to send. */
async function untilHalted(qmp: Qmp, incoming: string, [first, ...later]: Patience): Promise<void> {
  const allow = (haltMs: number) =>
    qmp.execute("migrate-set-parameters", { "max-bandwidth": unlimited, "downtime-limit": haltMs });
  await allow(first.haltMs);
  const timers = later.map(({ afterMs, haltMs }) =>
    setTimeout(() => void allow(haltMs).catch(() => {}), afterMs),
  );
  try {
    const halted = qmp.event(
      ({ event, data }) =>
        event === "MIGRATION" && ["pre-switchover", "failed", "cancelled"].includes(String(data?.status)),
    );
    halted.catch(() => {});
    await qmp.execute("migrate", { uri: `unix:${incoming}` });
    if ((await halted).data?.status !== "pre-switchover")
      throw new BangerError("guest_failed", "QEMU could not save the machine's memory");
  } finally {
    for (const timer of timers) clearTimeout(timer);
  }
}
