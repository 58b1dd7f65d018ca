/** VM rows with their mirror files: what SQLite holds is repeated beside the VM's disks, so that either can be lost. */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { BangerError } from "../base/base.ts";
import { VmId } from "../base/ids.ts";
import { type State, VmRecord } from "../state/state.ts";
import { type VmPaths, vmFiles } from "./layout.ts";

/** Changes a row and its mirror. */
export function updateVm(
  state: State,
  paths: VmPaths,
  id: VmId,
  change: Partial<Omit<VmRecord, "id">>,
): VmRecord {
  const record = state.vms.update(id, change);
  mirror(paths, record);
  return record;
}

/** Writes the mirror. It is a convenience for bad days: a VM without its directory (being deleted) has none. */
export function mirror(paths: VmPaths, record: VmRecord): void {
  const path = vmFiles(paths, record.id).mirror;
  const text = JSON.stringify(record);
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") return;
    if (code !== "ENOSPC" || !existsSync(path)) throw error;
    rmSync(`${path}.new`, { force: true });
    overwrite(path, text);
  }
}

/** On a full disk there is room where the file is. Only a power cut at this moment could leave half of it. */
function overwrite(path: string, text: string): void {
  const file = openSync(path, "r+");
  try {
    ftruncateSync(file, writeSync(file, text, 0));
  } finally {
    closeSync(file);
  }
}

export interface VmDirectory {
  id: VmId;
  /** Something was written into its vm.json: all of it, unless the power went. */
  begun: boolean;
  /** Undefined when there is no mirror, or none that makes sense. */
  record: VmRecord | undefined;
}

/** The VM directories on disk, whatever the database says. Entries that are not named like a VM are not banger's. */
export function vmDirectories(paths: VmPaths): VmDirectory[] {
  const found: VmDirectory[] = [];
  for (const name of readdirSync(paths.vms)) {
    const id = VmId.safeParse(name);
    if (!id.success) continue;
    const { mirror } = vmFiles(paths, id.data);
    const begun = (statSync(mirror, { throwIfNoEntry: false })?.size ?? 0) > 0;
    found.push({ id: id.data, begun, record: readMirror(mirror, id.data) });
  }
  return found;
}

function readMirror(path: string, id: VmId): VmRecord | undefined {
  try {
    const record = VmRecord.parse(JSON.parse(readFileSync(path, "utf8")));
    return record.id === id && dirname(path).endsWith(id) ? record : undefined;
  } catch {
    // No mirror, or half of one: the caller treats the directory as nobody's.
    return undefined;
  }
}

/** The row of a VM that must exist. */
export function getVm(state: State, id: VmId): VmRecord {
  const record = state.vms.get(id);
  if (record === undefined) throw new BangerError("not_found", `there is no VM ${id}`);
  return record;
}
