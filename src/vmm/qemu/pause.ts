/** Halting a machine's processors, and letting them go on. */
import { z } from "zod";
import type { MachineHandle } from "../vmm.ts";
import { runFiles } from "./arguments.ts";
import { connectQmp, type Qmp } from "./qmp.ts";

export async function pause({ runDir }: MachineHandle, signal?: AbortSignal): Promise<void> {
  await talk(runDir, signal, (qmp) => qmp.execute("stop"));
}

export async function resume({ runDir }: MachineHandle, signal?: AbortSignal): Promise<void> {
  await talk(runDir, signal, async (qmp) => {
    await endMigration(qmp);
    await goOn(qmp);
  });
}

const Run = z.looseObject({ status: z.string() });

/** Success for one that runs, too; and after a migration it takes the disks back (qmp_cont in QEMU's softmmu). */
export async function goOn(qmp: Qmp): Promise<void> {
  // QEMU tells of a migration's end a moment before it is through with it, and refuses until then.
  while (Run.parse(await qmp.execute("query-status")).status === "finish-migrate") await Bun.sleep(1);
  await qmp.execute("cont");
}

const Migration = z.looseObject({ status: z.string().optional() });
const underWay: ReadonlySet<string> = new Set(["setup", "active", "pre-switchover", "device", "cancelling"]);

/**
 * A daemon that was killed may have left one that waits for what nobody says any more, with the guest halted.
 *
 * QEMU may wait for it even when it was told to cancel: told between its own look at that and its halt, it halts all the same
 * (migration_maybe_pause in migration/migration.c), and only migrate-continue wakes it. One cancellation of 150 at that
 * moment stayed so on a busy host.
 */
async function endMigration(qmp: Qmp): Promise<void> {
  const status = async () => Migration.parse(await qmp.execute("query-migrate")).status ?? "none";
  if (!underWay.has(await status())) return;
  await qmp.execute("migrate_cancel");
  for (let now = await status(); underWay.has(now); now = await status()) {
    if (now === "cancelling") {
      await qmp.execute("migrate-continue", { state: now }).catch(() => {
        // Over in the meantime.
      });
    }
    await Bun.sleep(5);
  }
}

async function talk(
  runDir: string,
  signal: AbortSignal | undefined,
  say: (qmp: Qmp) => Promise<unknown>,
): Promise<void> {
  const qmp = await connectQmp(runFiles(runDir).qmp, signal);
  try {
    await say(qmp);
  } finally {
    qmp.close();
  }
}
