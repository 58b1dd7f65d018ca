/** Rows of VMs. */
import type { Database } from "bun:sqlite";
import { z } from "zod";
import { BangerError } from "../base/base.ts";
import { VmId, VmName } from "../base/ids.ts";
import { VmSpec, VmState, Workspace } from "../base/vm.ts";

/** Why a VM boots instead of going on from a template. */
export const ColdReason = z.enum([
  "asked",
  "off",
  "unsupported",
  "none",
  "damaged",
  "changed",
  "failed",
  "again",
]);
export type ColdReason = z.infer<typeof ColdReason>;

export const VmRecord = z.strictObject({
  id: VmId,
  name: VmName,
  state: VmState,
  image: z.strictObject({ id: z.string(), name: z.string() }),
  kernel: z.strictObject({ id: z.string(), name: z.string() }),
  spec: VmSpec,
  driver: z.string(),
  /** Deleted with the connection that made it, and at the next start of the daemon. */
  ephemeral: z.boolean(),
  rootDisk: z
    .strictObject({ path: z.string(), format: z.enum(["raw", "qcow2"]), strategy: z.string() })
    .nullable(),
  /** Identity of the running machine, in the driver's words; null when there is none. */
  machine: z
    .strictObject({
      driver: z.string(),
      process: z.strictObject({ pid: z.int().positive(), startTicks: z.number(), bootId: z.string() }),
      runDir: z.string(),
    })
    .nullable(),
  /** /etc/machine-id of the guest, for life. */
  /** In the host's network, for life; null where the guest has a network of its own. */
  address: z.ipv4().nullable().default(null),
  machineId: z.string().regex(/^[0-9a-f]{32}$/),
  workspace: Workspace.nullable(),
  /** The template that its disks are copies of, until its first start: then they go their own way. */
  warm: z
    .strictObject({ key: z.string().regex(/^[0-9a-f]{32}$/), id: z.uuid() })
    .nullable()
    .default(null),
  /** How it was started last, or will be; null while that is open. */
  start: z
    .discriminatedUnion("how", [
      z.strictObject({ how: z.literal("warm"), template: z.string() }),
      z.strictObject({ how: z.literal("cold"), why: ColdReason }),
      z.strictObject({ how: z.literal("resumed"), from: z.string() }),
    ])
    .nullable()
    .default(null),
  /** Its work disk, where that is not the plain file in its directory. */
  workDisk: z
    .strictObject({ path: z.string(), format: z.enum(["raw", "qcow2"]) })
    .nullable()
    .default(null),
  /** The checkpoints whose frozen disks its own stand on, the lowest first. */
  layers: z.array(z.uuid()).default([]),
  /** Whose memory it goes on from at its next start, and what that is, in words. */
  checkpoint: z.strictObject({ id: z.uuid(), from: z.string() }).nullable().default(null),
  lastError: z.string().nullable(),
  createdAt: z.string(),
  updatedAt: z.string(),
  startedAt: z.string().nullable(),
});
export type VmRecord = z.infer<typeof VmRecord>;

export interface VmTable {
  /** Throws already_exists when the name is taken. */
  insert(record: VmRecord): void;
  get(id: VmId): VmRecord | undefined;
  list(): VmRecord[];
  /** Changes some fields and returns the whole; throws not_found. */
  update(id: VmId, change: Partial<Omit<VmRecord, "id">>): VmRecord;
  remove(id: VmId): void;
}

interface Row {
  record: string;
}

export function vmTable(db: Database): VmTable {
  const parse = (row: Row): VmRecord => VmRecord.parse(JSON.parse(row.record));
  const get = (id: VmId): VmRecord | undefined => {
    const row = db.query<Row, [string]>("SELECT record FROM vms WHERE id = ?").get(id);
    return row === null ? undefined : parse(row);
  };
  return {
    insert: (record) => {
      try {
        db.query("INSERT INTO vms (id, name, image_id, kernel_id, record) VALUES (?, ?, ?, ?, ?)").run(
          record.id,
          record.name,
          record.image.id,
          record.kernel.id,
          JSON.stringify(VmRecord.parse(record)),
        );
      } catch (error) {
        if (error instanceof Error && "code" in error && String(error.code).startsWith("SQLITE_CONSTRAINT")) {
          throw new BangerError("already_exists", `a VM named ${record.name} exists already`, {
            hint: `pick another --name, or remove it: banger vm delete ${record.name}`,
            cause: error,
          });
        }
        throw error;
      }
    },
    get,
    list: () => db.query<Row, []>("SELECT record FROM vms ORDER BY rowid").all().map(parse),
    update: (id, change) => {
      const current = get(id);
      if (current === undefined) throw new BangerError("not_found", `there is no VM ${id}`);
      const record = VmRecord.parse({ ...current, ...change, updatedAt: new Date().toISOString() });
      db.query("UPDATE vms SET name = ?, record = ? WHERE id = ?").run(
        record.name,
        JSON.stringify(record),
        id,
      );
      return record;
    },
    remove: (id) => void db.query("DELETE FROM vms WHERE id = ?").run(id),
  };
}
